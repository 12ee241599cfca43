import type { Message, Page } from "../protocol/codec.ts";
import type { HistoryQuery } from "../protocol/schema.ts";
import type { Clock } from "./broker.ts";

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
  /** Messages, oldest first, from `head` on; what lies before was dropped. */
  messages: Message[];
  head: number;
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

export function createHistoryData(): HistoryData {
  return {
    logs: new Map(),
    used: new Set(),
    newest: undefined,
    empty: new Map(),
    bytes: 0,
    forgotten: 0,
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

function cost(message: Message): number {
  return MESSAGE_BYTES + 2 * (message.text.length + message.user.length);
}

export interface History {
  join(channel: string): number;
  leave(channel: string): void;
  last(channel: string): number;
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
      log = { channel, last, base: last, messages: [], head: 0, members: 0 };
      data.logs.set(channel, log);
    }
    return log;
  }

  /** Counts a log among those that could give something back, as the one used last. */
  function use(log: Log): void {
    if (data.newest === log) return;
    if (!data.used.delete(log)) data.bytes += LOG_BYTES;
    data.used.add(log);
    data.newest = log;
  }

  function uncount(log: Log): void {
    if (data.used.delete(log)) data.bytes -= LOG_BYTES;
    if (data.newest === log) data.newest = undefined;
  }

  function size(log: Log): number {
    return log.messages.length - log.head;
  }

  function dropOldest(log: Log): void {
    const message = log.messages[log.head]!;
    data.bytes -= cost(message);
    log.head++;
    if (log.head * 2 > log.messages.length) {
      log.messages = log.messages.slice(log.head);
      log.head = 0;
    }
    dropped?.(log.channel, message.id, false);
  }

  function forget(log: Log): void {
    while (size(log) > 0) dropOldest(log);
    uncount(log);
    data.empty.delete(log);
    data.logs.delete(log.channel);
    if (log.last > data.forgotten) data.forgotten = log.last;
    dropped?.(log.channel, log.last, true);
  }

  function makeRoom(): void {
    for (const log of data.used) {
      while (data.bytes > rules.memory && size(log) > 0) dropOldest(log);
      if (data.bytes <= rules.memory) return;
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

    append(channel, message) {
      const log = logOf(channel);
      log.last = message.id;
      // Its last member may have gone while the message was on its way into a store.
      if (log.members === 0 && !data.empty.has(log)) data.empty.set(log, clock());
      if (rules.limit === 0) return;
      log.messages.push(message);
      data.bytes += cost(message);
      if (size(log) > rules.limit) dropOldest(log);
      use(log);
      if (data.bytes > rules.memory) makeRoom();
    },

    page(channel, { after, before, limit }) {
      const log = data.logs.get(channel);
      if (log === undefined) {
        const gap = after !== undefined && after !== data.forgotten;
        return { messages: [], gap, more: false };
      }
      if (data.used.has(log)) use(log);
      const { messages, head, last } = log;
      if (after === undefined) {
        const end = before === undefined ? messages.length : firstFrom(log, before);
        const start = Math.max(head, end - limit);
        return { messages: messages.slice(start, end), gap: false, more: start > head };
      }
      const start = firstFrom(log, after + 1);
      const end = Math.min(start + limit, messages.length);
      const gap = start < messages.length ? messages[start]!.prev !== after : last !== after;
      return { messages: messages.slice(start, end), gap, more: end < messages.length };
    },

    restore(channel, last, messages) {
      const log = logOf(channel);
      log.last = last;
      log.messages = messages;
      for (const message of messages) data.bytes += cost(message);
      data.empty.set(log, clock());
      use(log);
      while (size(log) > rules.limit) dropOldest(log);
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

/** Where the first message with this id or a higher one lies, by bisection. */
function firstFrom(log: Log, id: number): number {
  let low = log.head;
  let high = log.messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (log.messages[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
