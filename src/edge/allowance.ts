import { type Rate, rate, spend } from "../protocol/bucket.ts";
import type { Peer } from "./peer.ts";

/**
 * What answers to questions may cost. A question of 24 bytes can have an answer of 256 KiB, so pages
 * of history and rosters draw on buckets that count bytes: one for each connection, which holds two
 * full pages, and one for all.
 */

const KIB = 1024;
const EACH = rate(128 * KIB, 512 * KIB);
const ALL = rate(32 * KIB * KIB, 32 * KIB * KIB);

/** What a roster is taken to cost; a connection that watches does not get it again. */
export const ROSTER_BYTES = 32 * KIB;

export class Allowance {
  readonly #clock: () => number;
  readonly #each: Rate;
  readonly #all: Rate;
  #fullAt = 0;

  /** @param limited whether there is a limit at all */
  constructor(limited: boolean, clock: () => number) {
    this.#clock = clock;
    const none = rate(0, 1);
    this.#each = limited ? EACH : none;
    this.#all = limited ? ALL : none;
  }

  /** Whether a peer may have an answer now: it reads what it gets, and did not ask for too much. */
  allows(peer: Peer): boolean {
    const now = this.#clock();
    if (this.#each.cost > 0 && (peer.ws?.getBufferedAmount() ?? 0) > 0) return false;
    const own = spend(this.#each, peer.answersFullAt, now, 0);
    return own !== -1 && spend(this.#all, this.#fullAt, now, 0) !== -1;
  }

  charge(peer: Peer, bytes: number): void {
    const now = this.#clock();
    peer.answersFullAt = Math.max(0, spend(this.#each, peer.answersFullAt, now, bytes));
    this.#fullAt = Math.max(0, spend(this.#all, this.#fullAt, now, bytes));
  }
}
