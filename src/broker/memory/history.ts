import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import { type BrokerOptions, type Draft, type HistoryQuery, messageAfter } from "../broker.ts";

/**
 * The messages that brokers keep in memory: of each channel always the unbroken end of its chain, since
 * messages only ever go from the front.
 */

/** What is known of one channel. */
interface Log {
  readonly channel: string;
  /** The id of its last message, kept or not, and what that was when the log was made. */
  last: number;
  readonly base: number;
  /** Its messages, the oldest of which is at `start`; what was before that is dropped. */
  messages: (Message | undefined)[];
  start: number;
  /** Whether a connection is in the channel. */
  occupied: boolean;
  /** Whether its bytes are counted, and whether it was used since memory last ran short. */
  counted: boolean;
  used: boolean;
}

/** Plain data, so that it survives a reload of the code. */
export interface HistoryData {
  readonly logs: Map<string, Log>;
  /** The logs that memory can be taken from: empty channels in which nothing was said, and others. */
  readonly silent: Set<Log>;
  readonly others: Set<Log>;
  /** Since when a channel has been empty, in milliseconds, the earliest first. */
  readonly empty: Map<Log, number>;
  /** What all of this takes, in bytes, by estimate. */
  bytes: number;
  /** The highest id of a channel that was forgotten. */
  forgotten: number;
}

/** @param forgotten the highest id that may have been given before, and is not known any more */
export function createHistoryData(forgotten: number): HistoryData {
  const sets = { silent: new Set<Log>(), others: new Set<Log>() };
  return { logs: new Map(), ...sets, empty: new Map(), bytes: 0, forgotten };
}

/** What a log and a message take beside their strings, in bytes: measured, rounded up. */
const LOG_BYTES = 400;
const MESSAGE_BYTES = 120;

/** A log is compacted once it has more dropped messages than this, and more than others. */
const COMPACT_FROM = 32;
/** How much of the memory is freed at once. */
const SPARE = 1 / 64;

function logCost({ channel }: Log): number {
  return LOG_BYTES + 2 * channel.length;
}

function cost(message: Message): number {
  return MESSAGE_BYTES + 2 * (message.text.length + message.user.length);
}

export interface HistoryOptions extends Omit<BrokerOptions, "events"> {
  /** Hears that a channel's messages up to an id are gone, or with `forgotten` the whole channel. */
  readonly onDrop?: (channel: string, upTo: number, forgotten: boolean) => void;
}

export class History {
  readonly #data: HistoryData;
  readonly #options: HistoryOptions;
  readonly #limit: number;

  constructor(data: HistoryData, options: HistoryOptions) {
    this.#data = data;
    this.#options = options;
    this.#limit = options.rules.history.limit;
  }

  /** The first connection comes into a channel. */
  occupy(channel: string): void {
    const log = this.#logOf(channel);
    log.occupied = log.used = true;
    this.#data.empty.delete(log);
    if (this.#data.silent.has(log)) this.#uncount(log);
  }

  /** The last connection has left a channel. */
  vacate(channel: string): void {
    const log = this.#logOf(channel);
    log.occupied = false;
    this.#data.empty.set(log, this.#options.clock());
    this.#count(log, log.last === log.base ? this.#data.silent : this.#data.others);
    this.#makeRoom();
  }

  /** The id of the channel's last message. */
  last(channel: string): number {
    return this.#data.logs.get(channel)?.last ?? this.#data.forgotten;
  }

  /** Whether no message of the channel is known, kept or not. */
  isSilent(channel: string): boolean {
    const log = this.#data.logs.get(channel);
    return log === undefined || log.last === log.base;
  }

  /** Gives a message its place, and keeps it. */
  post(channel: string, draft: Draft): Message {
    const log = this.#logOf(channel);
    const message = messageAfter(log.last, this.#options.date(), draft);
    this.#keep(log, message);
    return message;
  }

  /** Keeps a message that has its place. */
  append(channel: string, message: Message): void {
    this.#keep(this.#logOf(channel), message);
  }

  page(channel: string, { after, before, limit }: HistoryQuery): Page {
    const log = this.#data.logs.get(channel);
    if (log === undefined) {
      const gap = after !== undefined && after !== this.#data.forgotten;
      return { messages: [], gap, more: false };
    }
    log.used = true;
    if (after === undefined) {
      const end = before === undefined ? log.messages.length : placeOf(log, before);
      const start = Math.max(log.start, end - limit);
      return { messages: slice(log, start, end), gap: false, more: start > log.start };
    }
    const start = placeOf(log, after + 1);
    const end = Math.min(start + limit, log.messages.length);
    const gap = (log.messages[start]?.prev ?? log.last) !== after;
    return { messages: slice(log, start, end), gap, more: end < log.messages.length };
  }

  find(channel: string, id: number): Message | undefined {
    const log = this.#data.logs.get(channel);
    const found = log?.messages[placeOf(log, id)];
    return found?.id === id ? found : undefined;
  }

  /** Takes the text out of a message. */
  erase(channel: string, id: number): void {
    const log = this.#data.logs.get(channel)!;
    const place = placeOf(log, id);
    const message = log.messages[place]!;
    const erased = { ...message, text: REMOVED };
    log.messages[place] = erased;
    this.#data.bytes += cost(erased) - cost(message);
  }

  /** The newest messages that fit, the newest first. */
  newest(channel: string, fits: (message: Message) => boolean, limit: number): Message[] {
    const log = this.#data.logs.get(channel);
    const found: Message[] = [];
    for (let n = (log?.messages.length ?? 0) - 1; n >= (log?.start ?? 0); n--) {
      const message = log!.messages[n]!;
      if (fits(message) && found.push(message) === limit) break;
    }
    return found;
  }

  /** Forgets the channels that were empty for long enough. */
  expire(): void {
    const before = this.#options.clock() - this.#options.rules.history.ttl;
    for (const [log, since] of this.#data.empty) {
      if (since > before) break;
      this.#forget(log);
    }
  }

  #logOf(channel: string): Log {
    return this.#data.logs.get(channel) ?? this.#make(channel, this.#data.forgotten);
  }

  #make(channel: string, base: number): Log {
    const flags = { occupied: false, counted: false, used: false };
    const log: Log = { channel, last: base, base, messages: [], start: 0, ...flags };
    this.#data.logs.set(channel, log);
    return log;
  }

  /** Counts a log among those that memory can be taken from. */
  #count(log: Log, among: Set<Log>): void {
    log.used = true;
    if (log.counted) return;
    log.counted = true;
    among.add(log);
    this.#data.bytes += logCost(log);
  }

  #uncount(log: Log): void {
    if (!log.counted) return;
    log.counted = false;
    this.#data.bytes -= logCost(log);
    if (!this.#data.others.delete(log)) this.#data.silent.delete(log);
  }

  /** Makes a message the last of its log. */
  #keep(log: Log, message: Message): void {
    const { empty } = this.#data;
    log.last = message.id;
    // Its last member may have left while the message was on its way to a store.
    if (!log.occupied) {
      this.#uncount(log);
      if (!empty.has(log)) empty.set(log, this.#options.clock());
    }
    if (this.#limit === 0) return this.#options.onDrop?.(log.channel, message.id, false);
    log.messages.push(message);
    this.#data.bytes += cost(message);
    if (log.messages.length - log.start > this.#limit) this.#dropOldest(log);
    this.#count(log, this.#data.others);
    this.#makeRoom();
  }

  #dropOldest(log: Log): void {
    const message = log.messages[log.start]!;
    this.#data.bytes -= cost(message);
    log.messages[log.start++] = undefined;
    // Seldom, since it takes a copy.
    if (log.start > COMPACT_FROM && 2 * log.start >= log.messages.length) {
      log.messages = log.messages.slice(log.start);
      log.start = 0;
    }
    this.#options.onDrop?.(log.channel, message.id, false);
  }

  #forget(log: Log): void {
    while (log.start < log.messages.length) this.#dropOldest(log);
    this.#uncount(log);
    this.#data.empty.delete(log);
    this.#data.logs.delete(log.channel);
    if (log.last === log.base) return;
    this.#data.forgotten = Math.max(this.#data.forgotten, log.last);
    this.#options.onDrop?.(log.channel, log.last, true);
  }

  /**
   * Drops what was not used lately: silent channels first, then the oldest messages. Each log that
   * was used since the last time gets a second chance, so that a use costs no more than a flag. It
   * drops a little more than it must, since looking for it takes time.
   */
  #makeRoom(): void {
    const { memory } = this.#options.rules.history;
    const data = this.#data;
    if (data.bytes <= memory) return;
    const enough = memory * (1 - SPARE);
    for (const log of data.silent) {
      if (data.bytes <= enough) return;
      this.#forget(log);
    }
    for (const log of data.others) {
      if (data.bytes <= enough) return;
      if (log.used) {
        log.used = false;
        data.others.delete(log);
        data.others.add(log);
        continue;
      }
      while (data.bytes > enough && log.start < log.messages.length) this.#dropOldest(log);
      if (log.start < log.messages.length) return;
      if (log.occupied) this.#uncount(log);
      else this.#forget(log);
    }
  }
}

/** The place of the first message with this id or a higher one, by bisection. */
function placeOf({ messages, start }: Log, id: number): number {
  let low = start;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

function slice({ messages }: Log, start: number, end: number): Message[] {
  return messages.slice(start, Math.max(start, end)) as Message[];
}
