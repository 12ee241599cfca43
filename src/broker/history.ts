import type { Clock } from "./broker.ts";
import type { Message, Page } from "../protocol/encode.ts";
import type { HistoryQuery } from "./broker.ts";

/**
 * The messages that are kept, for brokers that keep them in memory. What is kept of a channel is
 * always the unbroken end of its chain: messages only ever go from the front.
 */

/** What is known of one channel. */
interface Log {
  readonly channel: string;
  /** The id of its last message, kept or not, and what that was when the log was made. */
  last: number;
  readonly base: number;
  /** A ring of messages: the oldest lies at `head`, and `size` of them are kept. */
  readonly ring: (Message | undefined)[];
  head: number;
  size: number;
  /** Connections in the channel. */
  members: number;
}

/** Plain data, so that it survives a reload of the code. */
export interface HistoryData {
  readonly logs: Map<string, Log>;
  /** Logs that could give something back, the least recently used first. */
  readonly used: Set<Log>;
  /** The last of these. */
  newest: Log | undefined;
  /** Since when nobody has been in a channel, the earliest first. */
  readonly empty: Map<Log, number>;
  /** What all of this takes, in bytes, by estimate. */
  bytes: number;
  /** The highest id of a channel that was forgotten. */
  forgotten: number;
}

/** @param forgotten the highest id that may have been given before, and is not known any more */
export function createHistoryData(forgotten: number): HistoryData {
  return {
    logs: new Map(),
    used: new Set(),
    newest: undefined,
    empty: new Map(),
    bytes: 0,
    forgotten,
  };
}

export interface HistoryRules {
  /** Messages kept of a channel; 0 for none. */
  readonly limit: number;
  /** How long an empty channel is remembered, in milliseconds. */
  readonly ttl: number;
  /** Bytes over all channels. */
  readonly memory: number;
}

/** What a log and a message take beside their strings, in bytes: measured, rounded up. */
const LOG_BYTES = 400;
const MESSAGE_BYTES = 120;

/** The part of the memory that is made free at once. */
const SPARE = 1 / 64;

function logCost({ channel }: Log): number {
  return LOG_BYTES + 2 * channel.length;
}

function cost(message: Message): number {
  return MESSAGE_BYTES + 2 * (message.text.length + message.user.length);
}

export interface History {
  join(channel: string): number;
  leave(channel: string): void;
  last(channel: string): number;
  /** Gives a message its place, and keeps it. */
  post(channel: string, text: string, user: string): Message;
  /** Keeps a message that has its place. */
  append(channel: string, message: Message): void;
  page(channel: string, query: HistoryQuery): Page;
  /** Takes over what an earlier life of this node kept of a channel; nobody is in it. */
  restore(channel: string, last: number, messages: Message[]): void;
  /** Forgets the channels that were empty for long enough. */
  expire(): void;
}

/**
 * @param dropped is told when all of a channel's messages up to an id are gone, and with
 *   `forgotten` that nothing of the channel is known any more
 */
export function createHistory(
  data: HistoryData,
  rules: HistoryRules,
  clock: Clock,
  dropped?: (channel: string, upTo: number, forgotten: boolean) => void,
): History {
  function logOf(channel: string): Log {
    let log = data.logs.get(channel);
    if (log === undefined) {
      const last = data.forgotten;
      log = { channel, last, base: last, ring: [], head: 0, size: 0, members: 0 };
      data.logs.set(channel, log);
    }
    return log;
  }

  /** Counts a log among those that could give something back, as the one used last. */
  function use(log: Log): void {
    if (data.newest === log) return;
    if (!data.used.delete(log)) data.bytes += logCost(log);
    data.used.add(log);
    data.newest = log;
  }

  function uncount(log: Log): void {
    if (data.used.delete(log)) data.bytes -= logCost(log);
    if (data.newest === log) data.newest = undefined;
  }

  /** The message at this place, counted from the oldest. */
  function at(log: Log, place: number): Message {
    return log.ring[(log.head + place) % rules.limit]!;
  }

  function slice(log: Log, start: number, end: number): Message[] {
    return Array.from({ length: Math.max(0, end - start) }, (_, n) => at(log, start + n));
  }

  /** The place of the first message with this id or a higher one, by bisection. */
  function placeOf(log: Log, id: number): number {
    let low = 0;
    let high = log.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(log, middle).id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function dropOldest(log: Log): void {
    const message = at(log, 0);
    data.bytes -= cost(message);
    log.ring[log.head] = undefined;
    log.head = (log.head + 1) % rules.limit;
    log.size--;
    if (log.size === 0) {
      log.ring.length = 0;
      log.head = 0;
    }
    dropped?.(log.channel, message.id, false);
  }

  /** Makes a message the last of its log. */
  function keep(log: Log, message: Message): void {
    log.last = message.id;
    // Its last member may have gone while the message was on its way into a store.
    if (log.members === 0 && !data.empty.has(log)) data.empty.set(log, clock());
    if (rules.limit === 0) return dropped?.(log.channel, message.id, false);
    if (log.size === rules.limit) dropOldest(log);
    log.ring[(log.head + log.size) % rules.limit] = message;
    log.size++;
    data.bytes += cost(message);
    use(log);
    if (data.bytes > rules.memory) makeRoom();
  }

  function forget(log: Log): void {
    while (log.size > 0) dropOldest(log);
    uncount(log);
    data.empty.delete(log);
    data.logs.delete(log.channel);
    if (log.last > data.forgotten) data.forgotten = log.last;
    dropped?.(log.channel, log.last, true);
  }

  /** Drops what was used least recently. Some more than it must, since a set is slow to find its first. */
  function makeRoom(): void {
    if (data.bytes <= rules.memory) return;
    const enough = rules.memory * (1 - SPARE);
    for (const log of data.used) {
      while (data.bytes > enough && log.size > 0) dropOldest(log);
      if (data.bytes <= enough) return;
      if (log.members === 0) forget(log);
      else uncount(log);
    }
  }

  return {
    join(channel) {
      const log = logOf(channel);
      log.members++;
      data.empty.delete(log);
      if (data.used.has(log)) use(log);
      return log.last;
    },

    leave(channel) {
      const log = logOf(channel);
      if (--log.members > 0) return;
      if (log.last === log.base) {
        // Nothing was said here, so nothing is lost by not remembering it.
        data.logs.delete(channel);
        return;
      }
      data.empty.set(log, clock());
      use(log);
      makeRoom();
    },

    last(channel) {
      return data.logs.get(channel)?.last ?? data.forgotten;
    },

    post(channel, text, user) {
      const log = logOf(channel);
      const message = { id: nextId(log.last, clock()), prev: log.last, text, user };
      keep(log, message);
      return message;
    },

    append(channel, message) {
      keep(logOf(channel), message);
    },

    page(channel, { after, before, limit }) {
      const log = data.logs.get(channel);
      if (log === undefined) {
        const gap = after !== undefined && after !== data.forgotten;
        return { messages: [], gap, more: false };
      }
      if (data.used.has(log)) use(log);
      if (after === undefined) {
        const end = before === undefined ? log.size : placeOf(log, before);
        const start = Math.max(0, end - limit);
        return { messages: slice(log, start, end), gap: false, more: start > 0 };
      }
      const start = placeOf(log, after + 1);
      const end = Math.min(start + limit, log.size);
      const gap = start < log.size ? at(log, start).prev !== after : log.last !== after;
      return { messages: slice(log, start, end), gap, more: end < log.size };
    },

    restore(channel, last, messages) {
      const log = logOf(channel);
      for (const message of messages) keep(log, message);
      log.last = last;
      data.empty.set(log, clock());
      use(log);
      makeRoom();
    },

    expire() {
      const before = clock() - rules.ttl;
      for (const [log, since] of data.empty) {
        if (since > before) break;
        forget(log);
      }
    },
  };
}

/** The id after `prev`: the time in microseconds, or the next number if the clock is not past it. */
export function nextId(prev: number, now: number): number {
  return Math.max(prev + 1, now * 1000);
}
