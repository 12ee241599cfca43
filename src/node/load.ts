import type { Connection } from "./state.ts";

/**
 * Sheds messages when they ask for more deliveries than the machine can make. Each message is charged
 * for its deliveries as it comes in. The more waits to be delivered, the smaller the share of the
 * machine that a connection may take, so those who asked for most in the last second are refused
 * first. The speed of the machine is learned from how late the timer runs.
 *
 * A timer alone would notice a flood only when it is over: one turn of the event loop takes a frame
 * of every readable socket, and delivers at its end. All times are milliseconds.
 */

/** A send costs the kernel about as much as copying this many bytes. */
const SEND = 1000;
/** What a connection asked for fades over about this time. */
const WINDOW = 1000;
/** While no more than this waits to be delivered, everybody is admitted. */
const FREE = 10;
/** Each time this much more waits, the share of the machine that a connection may take halves. */
const HALVING = 8;
/** Bytes that the machine delivers per millisecond: the first guess, and the bounds of all others. */
const SPEED = { start: 1e6, min: 1e5, max: 1e8 };
/** How often {@link Load.tick} is called, and what being late by more or less than this teaches. */
const TICK = 100;
const SLOWER = { late: 40, factor: 0.75 };
const FASTER = { late: 20, factor: 1.03 };

export class Load {
  #speed = SPEED.start;
  /** When everything that was admitted will have been delivered. */
  #doneAt = 0;
  #tickedAt = 0;
  /** Whether a message was refused since then. */
  #refused = false;

  /**
   * Whether a message may be delivered to so many listeners. Those that may not count too, towards
   * what the connection asks for.
   *
   * @param bytes about how long its text is
   */
  admits(connection: Connection, listeners: number, bytes: number, now: number): boolean {
    // Within a turn that takes too long, nothing more is taken for delivered.
    now = Math.min(now, this.#tickedAt + TICK + SLOWER.late);
    const takes = (listeners * (SEND + bytes)) / this.#speed;
    const faded = connection.asked / (1 + (now - connection.askedAt) / WINDOW);
    const asked = (connection.asked = faded + takes);
    connection.askedAt = now;
    const ahead = Math.max(this.#doneAt - now, 0);
    if (ahead > FREE && asked > WINDOW * 2 ** ((FREE - ahead - takes) / HALVING)) {
      this.#refused = true;
      return false;
    }
    this.#doneAt = now + ahead + takes;
    return true;
  }

  /**
   * Learns how fast the machine is, from how late it is called. Call it every 100 ms. If nothing was
   * refused, being late has other reasons, such as a pause of the whole process.
   */
  tick(now: number): void {
    const late = now - this.#tickedAt - TICK;
    if (this.#refused) {
      if (late > SLOWER.late) this.#speed = Math.max(this.#speed * SLOWER.factor, SPEED.min);
      if (late < FASTER.late) this.#speed = Math.min(this.#speed * FASTER.factor, SPEED.max);
    }
    this.#tickedAt = now;
    this.#refused = false;
  }
}
