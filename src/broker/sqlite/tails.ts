import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import type { HistoryQuery } from "../broker.ts";
import type { Answered } from "./read.ts";

/**
 * The newest messages of the channels that are in use, in memory: nearly all questions are about
 * these. The file has them all, so whatever memory has no room for is dropped.
 */

/** The unbroken end of a channel. */
interface Tail {
  readonly channel: string;
  /** The id of its last message. */
  last: number;
  /** Whether no message of it is known. */
  silent: boolean;
  messages: Message[];
  /** Whether the file has older ones. */
  partial: boolean;
  /** Whether a connection is in the channel. */
  occupied: boolean;
  /** Whether it was used since memory last ran short. */
  used: boolean;
}

/** Plain data, so that it survives a reload of the code. */
export interface TailsData {
  readonly tails: Map<string, Tail>;
  /** What they take, in bytes, by estimate. */
  bytes: number;
  /** The highest id of a channel that was forgotten. */
  forgotten: number;
}

export function createTailsData(forgotten: number): TailsData {
  return { tails: new Map(), bytes: 0, forgotten };
}

/** Messages of a channel that memory holds at most: most questions are about the newest. */
export const TAIL = 200;

/** What a tail and a message take beside their strings, in bytes. */
const TAIL_BYTES = 500;
const MESSAGE_BYTES = 160;

export interface TailsLimits {
  /** Messages of one channel. */
  readonly messages: number;
  /** Bytes of all. */
  readonly bytes: number;
}

export class Tails {
  readonly #data: TailsData;
  readonly #limits: TailsLimits;

  constructor(data: TailsData, limits: TailsLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  /** Whether memory knows the channel. */
  has(channel: string): boolean {
    return this.#data.tails.has(channel);
  }

  /** The id of the channel's last message. */
  last(channel: string): number {
    return this.#data.tails.get(channel)?.last ?? this.#data.forgotten;
  }

  isSilent(channel: string): boolean {
    return this.#data.tails.get(channel)?.silent ?? true;
  }

  /** Somebody is in the channel, or nobody any more. */
  occupy(channel: string, occupied: boolean): void {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined) return;
    tail.occupied = occupied;
    tail.used = true;
  }

  /** Takes over what was read from the file. @param last undefined if the file does not know it */
  restore(channel: string, last: number | undefined, { messages, more }: Answered): void {
    if (this.has(channel)) return;
    const silent = last === undefined;
    const tail = { channel, last: last ?? this.#data.forgotten, silent, messages: [...messages] };
    const flags = { partial: more, occupied: false, used: true };
    this.#data.tails.set(channel, { ...tail, ...flags });
    this.#data.bytes += TAIL_BYTES + 2 * channel.length;
    for (const message of messages) this.#data.bytes += cost(message);
  }

  /** A message follows the last one. */
  append(channel: string, message: Message): void {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined || message.id <= tail.last) return;
    tail.last = message.id;
    tail.silent = false;
    tail.used = true;
    if (this.#limits.messages === 0) return;
    tail.messages.push(message);
    this.#data.bytes += cost(message);
    if (tail.messages.length > this.#limits.messages) this.#cut(tail, this.#limits.messages);
    this.makeRoom();
  }

  find(channel: string, id: number): Message | undefined {
    return this.#data.tails.get(channel)?.messages.find((message) => message.id === id);
  }

  /** Takes the text out of a message. */
  erase(channel: string, id: number): void {
    const messages = this.#data.tails.get(channel)?.messages ?? [];
    const at = messages.findIndex((message) => message.id === id);
    if (at === -1) return;
    this.#data.bytes -= cost(messages[at]!);
    messages[at] = { ...messages[at]!, text: REMOVED };
    this.#data.bytes += cost(messages[at]);
  }

  /** Messages have left the file. */
  drop(channel: string, upTo: number): void {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined) return;
    const kept = tail.messages.filter(({ id }) => id > upTo);
    tail.partial &&= kept.length === tail.messages.length;
    this.#cut(tail, kept.length);
  }

  /** All of a channel has left the file. */
  forget(channel: string, last: number): void {
    const tail = this.#data.tails.get(channel);
    this.#data.forgotten = Math.max(this.#data.forgotten, last);
    if (tail !== undefined) this.#remove(tail);
  }

  /** The page, if memory has all of it. */
  page(channel: string, query: HistoryQuery): Page | undefined {
    const tail = this.#data.tails.get(channel)!;
    tail.used = true;
    const { after, before = Infinity, limit } = query;
    const below = this.below(channel);
    if (tail.partial) {
      const older = tail.messages[0]?.prev ?? tail.last;
      const newest = tail.messages.filter(({ id }) => id < before).length;
      if (after === undefined ? newest < limit : after < older) return undefined;
    }
    const more = tail.partial && after === undefined;
    return this.joined(channel, query, below, { messages: [], more });
  }

  /** Messages with an id below this one have to be read from the file. */
  below(channel: string): number {
    const tail = this.#data.tails.get(channel)!;
    return tail.messages[0]?.id ?? tail.last + 1;
  }

  /**
   * A page of what was read and of what memory has.
   *
   * @param below as it was when that was asked for
   * @param found what is between, the newest or with `after` the oldest of it
   * @returns undefined if the two do not fit together any more
   */
  joined(
    channel: string,
    { after, before = Infinity, limit }: HistoryQuery,
    below: number,
    found: Answered,
  ): Page | undefined {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined || this.below(channel) !== below) return undefined;
    if (after === undefined) {
      const all = [...found.messages, ...tail.messages.filter(({ id }) => id < before)];
      const more = found.more || all.length > limit;
      return { messages: all.slice(-limit), gap: false, more };
    }
    // What is in memory comes after all that the file has.
    const rest = found.more ? [] : tail.messages.filter(({ id }) => id > after);
    const all = [...found.messages, ...rest];
    const gap = (all[0]?.prev ?? tail.last) !== after;
    return { messages: all.slice(0, limit), gap, more: found.more || all.length > limit };
  }

  /** Drops what was not used lately. What was used since the last time gets a second chance. */
  makeRoom(): void {
    const { tails } = this.#data;
    let visits = 2 * tails.size;
    for (const tail of tails.values()) {
      if (this.#data.bytes <= this.#limits.bytes || visits-- === 0) return;
      tails.delete(tail.channel);
      tails.set(tail.channel, tail);
      if (tail.used) tail.used = false;
      else if (tail.occupied) this.#cut(tail, 0);
      else this.#remove(tail);
    }
  }

  /** Keeps only the newest messages of a tail. */
  #cut(tail: Tail, count: number): void {
    const dropped = tail.messages.splice(0, tail.messages.length - count);
    for (const message of dropped) this.#data.bytes -= cost(message);
    tail.partial ||= dropped.length > 0;
  }

  #remove(tail: Tail): void {
    this.#cut(tail, 0);
    this.#data.tails.delete(tail.channel);
    this.#data.bytes -= TAIL_BYTES + 2 * tail.channel.length;
  }
}

function cost(message: Message): number {
  return MESSAGE_BYTES + 2 * (message.text.length + message.user.length);
}
