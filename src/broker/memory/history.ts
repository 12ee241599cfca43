import type { Message, Page } from "../../protocol/encode.ts";
import { type BrokerOptions, type Draft, type HistoryQuery, messageAfter } from "../broker.ts";
import { addMessage, costOf, isKept, newLog, pageOf, takeOldest } from "./logs.ts";
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
/** Nobody knows any more who said what is restored: so many accounts share it, each a small part. */
const RESTORED = 1024;

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

  /** Keeps a message that has its place. @param network see {@link Draft} */
  append(channel: string, message: Message, network: string | undefined): void {
    this.#keep(this.#logOf(channel), message, network);
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

  /** Takes over what an earlier life of this node kept of a channel; nobody is in it. */
  restore(channel: string, last: number, messages: readonly Message[]): void {
    const log = this.#logOf(channel);
    const network = `restored ${this.#data.logs.size % RESTORED}`;
    log.network = network;
    // Nobody is in it, but it must not be forgotten halfway.
    log.occupied = true;
    for (const message of messages) this.#keep(log, message, network);
    log.last = last;
    this.vacate(channel);
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
      if (log.messages.length - log.start > this.#limit) change -= this.#takeOldest(log);
    } else this.#options.onDrop?.(log.channel, message.id, false);
    // Its last member may have left while the message was on its way to a store.
    if (!log.occupied && !empty.has(log)) empty.set(log, this.#options.clock());
    this.#settle(log, change);
    this.#makeRoom();
  }

  /** @returns what the message took */
  #takeOldest(log: Log): number {
    const message = takeOldest(log);
    this.#options.onDrop?.(log.channel, message.id, false);
    return costOf(message);
  }

  #forget(log: Log): void {
    settle(this.#data.accounts, log, false);
    this.#data.empty.delete(log);
    this.#data.logs.delete(log.channel);
    if (log.network === undefined) return;
    this.#data.forgotten = Math.max(this.#data.forgotten, log.last);
    this.#options.onDrop?.(log.channel, log.last, true);
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
        this.#settle(log, -this.#takeOldest(log));
      }
      if (!isKept(log) && !log.occupied) this.#forget(log);
    }
  }
}
