import { type Rate, rate } from "../protocol/bucket.ts";

/** What the server allows a connection: frames a second over time (0: no limit), and at once. */
export interface Limits {
  readonly rate: number;
  readonly burst: number;
}

/** How much of the limits the client uses: frames can arrive closer together than they left. */
const SHARE = 0.85;

/** The bucket by which the client paces its frames. */
export function paceOf(limits: Limits): Rate {
  return rate(limits.rate * SHARE, Math.max(1, Math.floor(limits.burst * SHARE)));
}
