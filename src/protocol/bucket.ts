/**
 * The token bucket that limits frames: the server takes tokens from it, and the client paces itself
 * by the same arithmetic. It is one number, the time at which the bucket will be full again. A time
 * that has passed means full, so a new bucket is 0 and an idle one needs no refilling.
 */
export interface Rate {
  /** Milliseconds in which one token comes back; 0 for no limit. */
  readonly cost: number;
  /** Milliseconds in which an empty bucket fills. */
  readonly room: number;
}

/**
 * @param perSecond tokens a second over time; 0 switches the limit off
 * @param burst tokens at once
 */
export function rate(perSecond: number, burst: number): Rate {
  const cost = perSecond === 0 ? 0 : 1000 / perSecond;
  return { cost, room: cost * burst };
}

/** A hair of room against rounding, in milliseconds. */
const ROUNDING = 1e-3;

/**
 * Takes one token.
 *
 * @param fullAt when the bucket will be full, in milliseconds on the clock of `now`
 * @returns when it will be full after that, or -1 if there is no token
 */
export function take(limit: Rate, fullAt: number, now: number): number {
  return waitFor(limit, fullAt, now) > 0 ? -1 : Math.max(fullAt, now) + limit.cost;
}

/**
 * Takes many tokens, as long as there is one: a bucket may go below empty once, and then has to make
 * up for it.
 *
 * @returns when it will be full after that, or -1 if it is empty
 */
export function spend(limit: Rate, fullAt: number, now: number, tokens: number): number {
  const since = Math.max(fullAt, now);
  return limit.cost > 0 && since - now >= limit.room ? -1 : since + limit.cost * tokens;
}

/** @returns milliseconds until {@link take} finds a token; 0 if there is one now */
export function waitFor({ cost, room }: Rate, fullAt: number, now: number): number {
  const wait = (fullAt > now ? fullAt - now : 0) + cost - room;
  return wait > ROUNDING ? wait : 0;
}
