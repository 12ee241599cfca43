import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import { type BrokerOptions, type Draft, type HistoryQuery, messageAfter } from "../broker.ts";
import {
  addMessage,
  costOf,
  isKept,
  messageAt,
  newestOf,
  newLog,
  oldestOf,
  pageOf,
  replace,
  takeOldest,
} from "./logs.ts";
import { type Accounts, createAccounts, type Log, nextToGive, settle, vote } from "./accounts.ts";

/**
 * The messages that brokers keep in memory: of each channel always the unbroken end of its chain, since
 * messages only ever go from the front.
 */

/** Plain data, so that it survives a reload of the code. */
export interface HistoryData {
  readonly logs: Map<string, Log>;
  readonly accounts: Accounts;
  /** Since when a channel has been empty, in milliseconds, the earliest first. */
  readonly empty: Map<Log, number>;
  /** The highest id of a channel that was forgotten. */
  forgotten: number;
}

/** @param forgotten the highest id that may have been given before, and is not known any more */
export function createHistoryData(forgotten: number): HistoryData {
  return { logs: new Map(), accounts: createAccounts(), empty: new Map(), forgotten };
}

/** How much of the memory is freed at once, and how many logs get a second chance meanwhile. */
const SPARE = 1 / 256;
const CHANCES = 2000;

/** The account of all private addresses together. */
const PRIVATE = "private";
export type HistoryOptions = Omit<BrokerOptions, "events">;

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
    this.#settle(log);
  }

  /** The last connection has left a channel. */
  vacate(channel: string): void {
    const log = this.#logOf(channel);
    log.occupied = false;
    log.used = log.network !== undefined;
    this.#data.empty.set(log, this.#options.clock());
    this.#settle(log);
    this.#makeRoom();
  }

  /** The id of the channel's last message. */
  last(channel: string): number {
    return this.#data.logs.get(channel)?.last ?? this.#data.forgotten;
  }

  /** Whether no message of the channel is known, kept or not. */
  isSilent(channel: string): boolean {
    return this.#data.logs.get(channel)?.network === undefined;
  }

  /** Gives a draft its place, and keeps it. */
  post(channel: string, draft: Draft): Message {
    const log = this.#logOf(channel);
    const message = messageAfter(log.last, this.#options.date(), draft);
    this.#keep(log, message, draft.network);
    return message;
  }

  page(channel: string, query: HistoryQuery): Page {
    const log = this.#data.logs.get(channel);
    if (log !== undefined) {
      log.used = true;
      return pageOf(log, query);
    }
    const { after } = query;
    const gap = after !== undefined && after !== this.#data.forgotten;
    return { messages: [], gap, more: false };
  }

  find(channel: string, id: number): Message | undefined {
    const log = this.#data.logs.get(channel);
    return log && messageAt(log, id);
  }

  /** The newest messages that fit, the newest first. */
  newest(channel: string, fits: (message: Message) => boolean, limit: number): Message[] {
    const log = this.#data.logs.get(channel);
    return log === undefined ? [] : newestOf(log, fits, limit);
  }

  /** Takes the text out of a message that is kept. */
  erase(channel: string, id: number): void {
    const log = this.#data.logs.get(channel);
    const message = log && messageAt(log, id);
    if (log === undefined || message === undefined) return;
    const erased = { ...message, text: REMOVED };
    replace(log, erased);
    this.#settle(log, costOf(erased) - costOf(message));
  }

  /** Forgets the channels that were empty for long enough. */
  expire(): void {
    const before = this.#options.clock() - this.#options.rules.history.ttl;
    for (const [log, since] of this.#data.empty) {
      if (since > before) break;
      this.#forget(log);
    }
    const { age = Infinity } = this.#options.rules.history;
    if (age < Infinity) this.#dropOlder(this.#options.date() - age);
  }

  /** Drops the messages from before a date, in milliseconds since the epoch. */
  #dropOlder(date: number): void {
    for (const log of this.#data.logs.values()) {
      while ((oldestOf(log)?.timestamp ?? Infinity) * 1000 < date) {
        this.#settle(log, -costOf(takeOldest(log)));
      }
    }
  }

  #logOf(channel: string): Log {
    const { logs, forgotten } = this.#data;
    let log = logs.get(channel);
    if (log === undefined) logs.set(channel, (log = newLog(channel, forgotten)));
    return log;
  }

  /** Somebody pays for a log as long as it has messages or is only remembered. */
  #settle(log: Log, change?: number): void {
    settle(this.#data.accounts, log, isKept(log) || !log.occupied, change);
  }

  /** Makes a message the last of its log. */
  #keep(log: Log, message: Message, network = PRIVATE): void {
    const { empty } = this.#data;
    const cost = costOf(message);
    let change = 0;
    log.last = message.id;
    log.used = true;
    vote(log, network, cost);
    if (this.#limit > 0) {
      addMessage(log, message);
      change += cost;
      if (log.messages.length - log.start > this.#limit) change -= costOf(takeOldest(log));
    }
    // Its last member may have left while the message was on its way to a store.
    if (!log.occupied && !empty.has(log)) empty.set(log, this.#options.clock());
    this.#settle(log, change);
    this.#makeRoom();
  }

  #forget(log: Log): void {
    settle(this.#data.accounts, log, false);
    this.#data.empty.delete(log);
    this.#data.logs.delete(log.channel);
    if (log.network === undefined) return;
    this.#data.forgotten = Math.max(this.#data.forgotten, log.last);
  }

  /**
   * Drops the oldest messages of the logs that have to give. It frees a little more than it must,
   * since looking for them takes time.
   */
  #makeRoom(): void {
    const { memory } = this.#options.rules.history;
    const { accounts } = this.#data;
    if (accounts.bytes <= memory) return;
    const enough = memory * (1 - SPARE);
    const chances = { left: CHANCES };
    while (accounts.bytes > enough) {
      const log = nextToGive(accounts, chances);
      if (log === undefined) return;
      // Until another is as large.
      const { ring } = log;
      while (isKept(log) && log.ring === ring && accounts.bytes > enough) {
        this.#settle(log, -costOf(takeOldest(log)));
      }
      if (!isKept(log) && !log.occupied) this.#forget(log);
    }
  }
}
