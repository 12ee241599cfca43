/** What the server allows one connection: frames a second over time (0: no limit), and at once. */
export interface Limits {
  readonly rate: number;
  readonly burst: number;
}

/** How much of the limits is made use of: frames may arrive closer together than they left. */
const SHARE = 0.85;
/** A hair of room against rounding, in milliseconds. */
const ROUNDING = 1e-3;

/**
 * The bucket of frames after one more, as the time at which it is full again; or how long to wait
 * before there is room for one.
 *
 * @param fullAt when the bucket is full, in milliseconds on the clock of `now`; 0 for a new one
 */
export function pace(
  { rate, burst }: Limits,
  fullAt: number,
  now: number,
): { fullAt: number } | { wait: number } {
  if (rate === 0) return { fullAt };
  const cost = 1000 / (rate * SHARE);
  const next = Math.max(fullAt, now) + cost;
  const wait = next - now - cost * Math.max(1, Math.floor(burst * SHARE));
  return wait > ROUNDING ? { wait } : { fullAt: next };
}
