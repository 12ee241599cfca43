import type { Visitor } from "../auth/visitors.ts";
import type { Name } from "../protocol/names.ts";
import type { Channel, Group } from "./channels.ts";

/**
 * What this node knows of its own connections: who is in which channel, under which name, and when
 * each is due for a heartbeat. Plain data and functions that take `now`; no socket, no timer.
 * All times are milliseconds on one clock that never steps back.
 */

/** One connection. */
export interface Connection {
  readonly channel: Channel;
  /** Whether it speaks `shoal.v1`. */
  readonly v1: boolean;
  /** What its address has; undefined if that has no limits. */
  readonly visitor: Visitor | undefined;
  /** The group it listens in, once it is in its channel. */
  group: Group | undefined;
  /** The name it holds, and the same as a JSON string literal once that was needed. */
  name: Name | undefined;
  user: string | undefined;
  /** The id of its session, once it has one. */
  session: string | undefined;
  /** Whether a heartbeat that was sent under this name is still unanswered. */
  awaited: boolean;
  /** When it was last heard of. */
  heardAt: number;
  /** When its buckets will be full; see bucket.ts. */
  framesFullAt: number;
  heartbeatsFullAt: number;
  /** How long the deliveries that it lately asked for take, and as of when; see load.ts. */
  asked: number;
  askedAt: number;
  /** When its latest frames were refused as too fast, oldest first. */
  refusals: number[] | undefined;
  /** Its place in the wheel: a slot, and the index in it; -1 if it is in none. */
  slot: number;
  place: number;
}

/**
 * The heartbeats: a wheel whose slots together last one interval. A connection sits in one slot,
 * drawn at random, so that those who come at once are spread; each turn of the wheel passes it once.
 */
export interface Wheel<C extends Connection> {
  readonly slots: C[][];
  /** Milliseconds that a slot lasts. */
  readonly width: number;
  /** How many slots have passed, and when the next one is due. */
  passed: number;
  dueAt: number;
  /** When the process last went on after a pause of more than half an interval. */
  wokeAt: number;
}

/** About how long a slot lasts, in milliseconds, and how many slots a wheel has. */
const SLOT = 100;
const SLOTS = { min: 10, max: 600 };

/** @param interval milliseconds between two heartbeats of a connection */
export function createWheel<C extends Connection>(interval: number, now: number): Wheel<C> {
  const wanted = Math.round(interval / SLOT);
  const slots = Math.min(Math.max(wanted, SLOTS.min), SLOTS.max);
  const width = interval / slots;
  return {
    slots: Array.from({ length: slots }, () => []),
    width,
    passed: 0,
    dueAt: now + width,
    wokeAt: now,
  };
}

/**
 * Puts a connection among the heartbeats: its first comes after a random part of one interval.
 *
 * @param random a number from 0 up to, but not including, 1
 */
export function schedule<C extends Connection>(
  { slots, passed }: Wheel<C>,
  connection: C,
  random: number,
): void {
  connection.slot = (passed + 1 + Math.floor(random * slots.length)) % slots.length;
  const slot = slots[connection.slot]!;
  connection.place = slot.length;
  slot.push(connection);
}

/** Takes a connection out again. */
export function unschedule<C extends Connection>({ slots }: Wheel<C>, connection: C): void {
  if (connection.slot === -1) return;
  const slot = slots[connection.slot]!;
  const last = slot.pop()!;
  if (last !== connection) {
    slot[connection.place] = last;
    last.place = connection.place;
  }
  connection.slot = -1;
}

/** The connection holds this name from now on, and no heartbeat counts against it yet. */
export function identify(connection: Connection, name: Name): void {
  if (connection.name === undefined) connection.awaited = false;
  connection.name = name;
  connection.user = undefined;
}

/** The connection no longer holds a name. */
export function unname(connection: Connection): void {
  connection.name = undefined;
  connection.user = undefined;
  connection.awaited = false;
}

/** The connection's name as a JSON string literal; only for one that has a name. */
export function userOf(connection: Connection): string {
  return (connection.user ??= JSON.stringify(connection.name?.shown));
}

/**
 * Calls `due` for every connection whose heartbeat has come due since the last sweep. `due` may take
 * connections out. A sweep that is late catches up, but for a pause of more than half an interval:
 * after that the wheel goes on from where it was, since nobody could answer meanwhile.
 */
export function sweep<C extends Connection>(
  wheel: Wheel<C>,
  now: number,
  due: (connection: C) => void,
): void {
  const { slots, width } = wheel;
  if (now - wheel.dueAt > (slots.length * width) / 2) wheel.dueAt = wheel.wokeAt = now;
  while (wheel.dueAt <= now) {
    wheel.dueAt += width;
    wheel.passed++;
    const slot = slots[wheel.passed % slots.length]!;
    // Backwards: one that leaves is replaced by the last, which was visited already.
    for (let place = slot.length - 1; place >= 0; place--) due(slot[place]!);
  }
}

/**
 * Notes that a heartbeat goes out to this connection.
 *
 * @returns whether the previous one went unanswered under the same name, which the connection loses
 */
export function heartbeatDue(connection: Connection): boolean {
  const lost = connection.awaited;
  connection.awaited = connection.name !== undefined && !lost;
  return lost;
}
