/**
 * A token bucket, kept as one number: the time at which it will be full again. A full bucket is
 * one whose time has passed, so a new one is 0 and an idle one needs no refilling.
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
 * @returns when it will be full after that, or -1 where there was no token
 */
export function take(limit: Rate, fullAt: number, now: number): number {
  const next = (fullAt > now ? fullAt : now) + limit.cost;
  return next - now > limit.room + ROUNDING ? -1 : next;
}
