import type { Log } from "../log.ts";
import type { Peer } from "./peer.ts";

/** After this many bytes a peer must show that it reads. */
export const STEP = 64 * 1024;
/** How long it may take for that: milliseconds, and bytes a second for what exceeds a step. */
const PATIENCE = { ms: 15_000, rate: 8 * 1024 };
/** A quiet server probes a tenth of its peers in each sweep. */
const PARTS = 10;
/** A ping counts as late from this sweep on, so that the pongs that are here were read before. */
const LATE = 2;
/** Who goes with one that has to: those with at least this share of what it has in flight. */
const NEARLY = 1 / 4;
/** The most that one sweep adds to a ping's age, in milliseconds: no pause of the process counts. */
const MAX_ELAPSED = 1000;
/** How fast what was in flight to the disconnected is forgotten: a time constant in milliseconds. */
const LINGER = 60_000;
/** How often disconnections are reported, in milliseconds. */
const REPORT = 60_000;

/**
 * Disconnects peers that do not read. Bun sees only its own buffers, and before those fill, the
 * kernel takes some megabytes for each socket. So a peer is pinged after every {@link STEP} bytes,
 * and its pong tells that it has read what was sent before. Whatever came later is in flight.
 */
export class Flow {
  readonly #total: number;
  readonly #log: Log;
  /** The peers with a ping out. */
  readonly #pinged = new Set<Peer>();
  /** The slot that was probed last. */
  #slot = 0;
  #sweptAt: number;
  #reportedAt = -Infinity;
  /** What the kernel may still hold for those that were disconnected; half of it counts. */
  #lingering = 0;
  /** Those that were not reported yet, and the last of them. */
  #cuts = 0;
  #last = {};

  /** @param total the most bytes that may be in flight to all late peers together */
  constructor(total: number, log: Log, now: number) {
    this.#total = total;
    this.#log = log;
    this.#sweptAt = now;
  }

  /** A peer is in its channel. What its group was sent before does not concern it. */
  enter(peer: Peer): void {
    // Members of one channel are sent the same, but need not all be pinged at the same time.
    peer.acked = peer.position - Math.random() * STEP;
  }

  /** Pings a peer with a step in flight, unless a ping is out. */
  probe(peer: Peer): void {
    if (peer.inFlight < STEP) return;
    this.#pinged.add(peer);
    if (peer.ping !== undefined) return;
    const payload = crypto.randomUUID();
    peer.ping = { payload, position: peer.position, age: 0, sweeps: 0 };
    peer.ws?.ping(payload);
  }

  /** @returns whether this pong answers the ping that is out */
  acknowledge(peer: Peer, payload: Buffer): boolean {
    const { ping } = peer;
    if (ping === undefined || payload.toString() !== ping.payload) return false;
    peer.acked = ping.position;
    peer.ping = undefined;
    this.probe(peer);
    return true;
  }

  /** Looks after all peers. Call it every 100 ms or so. */
  sweep(slots: readonly (readonly Peer[])[], now: number): void {
    const elapsed = Math.min(now - this.#sweptAt, MAX_ELAPSED);
    this.#sweptAt = now;
    this.#lingering *= Math.exp(-elapsed / LINGER);
    this.#probeSome(slots);
    const late: Peer[] = [];
    for (const peer of this.#pinged) {
      const { ping } = peer;
      if (ping === undefined || peer.closed) this.#pinged.delete(peer);
      // The socket of one that waits is not read, so its pong may be here.
      else if (!peer.waiting) {
        ping.age += elapsed;
        if (++ping.sweeps >= LATE) late.push(peer);
      }
    }
    if (late.length > 0) this.#judge(late);
    this.#report(now);
  }

  /** Probes a part of the peers, or all if one of these has a step in flight. */
  #probeSome(slots: readonly (readonly Peer[])[]): void {
    let visits = Math.ceil(slots.length / PARTS);
    for (let n = 0; n < visits; n++) {
      this.#slot = (this.#slot + 1) % slots.length;
      for (const peer of slots[this.#slot]!) {
        if (peer.inFlight < STEP) continue;
        visits = slots.length;
        this.probe(peer);
      }
    }
  }

  /**
   * Disconnects those without progress and, if too much is in flight, the largest until it fits, with
   * all that are nearly as large. The kernel keeps what it holds for a closed socket until its client
   * answers, for minutes, so stopping early matters more than keeping a few of them.
   */
  #judge(late: Peer[]): void {
    let excess = Math.min(this.#lingering, this.#total) / 2 - this.#total;
    for (const { inFlight } of late) excess += inFlight;
    if (excess > 0) late.sort((one, other) => other.inFlight - one.inFlight);
    let least = Infinity;
    for (const peer of late) {
      const { inFlight } = peer;
      if (excess > 0) least = inFlight * NEARLY;
      excess -= inFlight;
      if (inFlight >= least) this.#cut(peer, "SEND_BUFFER_TOTAL");
      else if (isStuck(peer)) this.#cut(peer, "no progress");
    }
  }

  #cut({ channel, inFlight, ws }: Peer, reason: string): void {
    this.#last = { reason, channel: channel.id, inFlight: Math.round(inFlight) };
    this.#cuts++;
    this.#lingering += inFlight;
    ws?.terminate();
  }

  #report(now: number): void {
    if (this.#cuts === 0 || now - this.#reportedAt < REPORT) return;
    this.#log.info("slow readers disconnected", { count: this.#cuts, ...this.#last });
    this.#reportedAt = now;
    this.#cuts = 0;
  }
}

function isStuck({ ping, acked }: Peer): boolean {
  if (ping === undefined) return false;
  const beyond = Math.max(ping.position - acked - STEP, 0);
  return ping.age > PATIENCE.ms + (1000 * beyond) / PATIENCE.rate;
}
