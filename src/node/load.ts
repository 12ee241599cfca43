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
/** What a connection asked for fades over about this time. It is noted only while there is a queue. */
const WINDOW = 1000;
/** While no more than this waits to be delivered, a connection may take all of the machine. */
const FREE = 30;
/** Each time this much more waits, the share of the machine that a connection may take halves. */
const HALVING = 8;
/** Bytes that the machine delivers per millisecond: the first guess, and the bounds of all others. */
const SPEED = { start: 5e5, min: 1e5, max: 1e8 };
/** How often {@link Load.tick} is called. */
const TICK = 100;
/** By how late it is: beyond `much`, the machine is slower than was thought; below `some`, faster. */
const LATE = { some: 25, much: 50 };
/** By what the speed changes then: at least, and always. */
const SLOWER = 0.6;
const FASTER = 1.04;

export class Load {
  #speed = SPEED.start;
  /** When everything that was admitted will have been delivered. */
  #doneAt = 0;
  #tickedAt = 0;
  /** Whether a message was refused since then. */
  #refused = false;

  /**
   * Whether a message may be delivered to so many listeners; if so, it counts as on its way.
   *
   * @param bytes about how long its text is
   */
  admits(connection: Connection, listeners: number, bytes: number, now: number): boolean {
    // Within a turn that takes too long, nothing more is taken for delivered.
    now = Math.min(now, this.#tickedAt + TICK + LATE.much);
    const takes = (listeners * (SEND + bytes)) / this.#speed;
    const ahead = Math.max(this.#doneAt - now, 0);
    const then = ahead + takes;
    // One message is always admitted, however long it takes.
    if (then > FREE && ahead > 0) {
      const share = 2 ** ((FREE - then) / HALVING);
      if (ask(connection, takes, now) > WINDOW * share) {
        this.#refused = true;
        return false;
      }
    }
    this.#doneAt = now + then;
    return true;
  }

  /**
   * Learns how fast the machine is, from how late it is called. Call it every 100 ms. If nothing was
   * refused, being late has other reasons, such as a pause of the whole process.
   */
  tick(now: number): void {
    const passed = now - this.#tickedAt;
    if (this.#refused) {
      const late = passed - TICK;
      if (late > LATE.much) this.#speed *= Math.max(TICK / passed, SLOWER);
      if (late < LATE.some) this.#speed *= FASTER;
      this.#speed = Math.min(Math.max(this.#speed, SPEED.min), SPEED.max);
    }
    this.#tickedAt = now;
    this.#refused = false;
  }
}

/** @returns how long the deliveries take that a connection has asked for within about the window */
function ask(connection: Connection, takes: number, now: number): number {
  const faded = connection.asked / (1 + (now - connection.askedAt) / WINDOW);
  connection.askedAt = now;
  return (connection.asked = faded + takes);
}
