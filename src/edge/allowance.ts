import { type Rate, rate, spend, take } from "../protocol/bucket.ts";
import { PAGE_BYTES } from "../protocol/encode.ts";
import { STEP } from "./flow.ts";
import type { Peer } from "./peer.ts";

/**
 * What answers to questions may cost. A question of 24 bytes can have an answer of 256 KiB, so pages
 * of history and rosters draw on buckets that count bytes: one for each connection, which holds four
 * full pages, and one for all.
 */

const MIB = 1024 * 1024;
const EACH = rate(2 * MIB, MIB);
const ALL = rate(32 * MIB, 32 * MIB);
/** An address that asks for more has no part in what is left for those who asked for little. */
const ADDRESS = rate(4 * MIB, 16 * MIB);

/**
 * Whoever has more than this in flight reads first: bytes. Two full pages always fit, since up to
 * two steps may have been read without a pong.
 */
const UNREAD = PAGE_BYTES + 2 * STEP;

/**
 * A search costs time, whatever it finds: some milliseconds, and more if somebody has prepared a channel
 * for it. So there are so many a second and at once, and each counts as these bytes.
 */
const SEARCHES = rate(16, 32);
const SEARCH = MIB / 2;

/** What a roster is taken to cost, by how many listen: bytes. */
const ROSTER = { base: 64, each: 40, max: 32 * 1024 };

export function rosterBytes(listeners: number): number {
  return Math.min(ROSTER.base + ROSTER.each * listeners, ROSTER.max);
}

export class Allowance {
  readonly #clock: () => number;
  readonly #each: Rate;
  readonly #all: Rate;
  #fullAt = 0;
  #searchesFullAt = 0;

  /** @param limited whether there is a limit at all */
  constructor(limited: boolean, clock: () => number) {
    this.#clock = clock;
    const none = rate(0, 1);
    this.#each = limited ? EACH : none;
    this.#all = limited ? ALL : none;
  }

  /** Whether a peer may have an answer now: it keeps up with its answers and is within its allowance. */
  allows(peer: Peer): boolean {
    const now = this.#clock();
    if (this.#each.cost > 0 && peer.inFlight > UNREAD) return false;
    if (spend(this.#each, peer.answersFullAt, now, 0) === -1) return false;
    // Those who asked for much leave as much again to those who did not.
    const reserve = askedLittle(peer, now) ? this.#all.room : 0;
    return spend(this.#all, this.#fullAt - reserve, now, 0) !== -1;
  }

  /** Whether a peer may search now; if so, that is charged. */
  search(peer: Peer): boolean {
    if (!this.allows(peer)) return false;
    const now = this.#clock();
    const reserve = askedLittle(peer, now) ? SEARCHES.room : 0;
    const limited = this.#each.cost > 0;
    if (limited && take(SEARCHES, this.#searchesFullAt - reserve, now) === -1) return false;
    this.#searchesFullAt = Math.max(this.#searchesFullAt, now) + SEARCHES.cost;
    this.charge(peer, SEARCH);
    return true;
  }

  charge(peer: Peer, bytes: number): void {
    const now = this.#clock();
    peer.answersFullAt = Math.max(peer.answersFullAt, now) + this.#each.cost * bytes;
    this.#fullAt = Math.max(this.#fullAt, now) + this.#all.cost * bytes;
    const { visitor } = peer;
    if (visitor === undefined) return;
    visitor.answersFullAt = Math.max(visitor.answersFullAt, now) + ADDRESS.cost * bytes;
  }
}

/** Whether neither a peer nor its address has asked for much. */
function askedLittle({ answersFullAt, visitor }: Peer, now: number): boolean {
  if (answersFullAt > now) return false;
  return visitor === undefined || spend(ADDRESS, visitor.answersFullAt, now, 0) !== -1;
}
