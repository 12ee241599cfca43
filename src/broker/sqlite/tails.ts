import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import type { HistoryQuery } from "../broker.ts";
import { PAGE } from "../../protocol/limits.ts";
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
  /** How many questions about it the file is being asked. */
  asked: number;
  /** How often a text was removed, or messages have left the file. */
  changes: number;
}

/** What memory had of a channel when the file was asked for the rest. */
export interface Held {
  readonly tail: Tail;
  readonly changes: number;
  readonly messages: readonly Message[];
  readonly last: number;
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

/**
 * Messages of a channel that memory holds at most: most questions are about the newest, and one more
 * than a page has tells whether there is more.
 */
export const TAIL = PAGE.max + 1;

/** What a tail and a message take beside their strings, in bytes. */
const TAIL_BYTES = 500;
const MESSAGE_BYTES = 160;

/** By how much memory grows until it is searched again, if the channels in use alone take too much. */
const SLACK = 1 / 16;

export interface TailsLimits {
  /** Messages that the file keeps of one channel, at this time. */
  readonly messages: number;
  /** Bytes of all. */
  readonly bytes: number;
}

export class Tails {
  readonly #data: TailsData;
  readonly #limits: TailsLimits;
  /** If dropping all that can go was too little: the bytes until which nothing is looked for. */
  #enough = 0;

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
    const tail = { channel, last: last ?? this.#data.forgotten, messages: [...messages] };
    const flags = { silent: last === undefined, partial: more, occupied: false, used: true };
    this.#data.tails.set(channel, { ...tail, ...flags, asked: 0, changes: 0 });
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
    tail.messages.push(message);
    this.#data.bytes += cost(message);
    const { messages } = this.#limits;
    // The file has dropped the same.
    if (tail.messages.length > messages) this.#cut(tail, messages, tail.partial);
    else if (tail.messages.length > TAIL) this.#cut(tail, TAIL);
    this.makeRoom();
  }

  find(channel: string, id: number): Message | undefined {
    return this.#data.tails.get(channel)?.messages.find((message) => message.id === id);
  }

  /** Takes the text out of a message. */
  erase(channel: string, id: number): void {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined) return;
    tail.changes++;
    const at = tail.messages.findIndex((message) => message.id === id);
    const message = tail.messages[at];
    if (message === undefined) return;
    const erased = (tail.messages[at] = { ...message, text: REMOVED });
    this.#data.bytes += cost(erased) - cost(message);
  }

  /** Messages have left the file. */
  drop(channel: string, upTo: number): void {
    const tail = this.#data.tails.get(channel);
    if (tail === undefined) return;
    tail.changes++;
    this.#cut(tail, tail.messages.filter(({ id }) => id > upTo).length, false);
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
    const { messages, partial, last } = tail;
    const { after, before = Infinity, limit } = query;
    if (partial) {
      const older = messages[0]?.prev ?? last;
      const newest = messages.filter(({ id }) => id < before).length;
      if (after === undefined ? newest <= limit : after < older) return undefined;
    }
    return pageOf(query, { messages, more: false }, last);
  }

  /** Keeps the channel in memory while the file is asked about it. */
  hold(channel: string): Held {
    const tail = this.#data.tails.get(channel)!;
    tail.asked++;
    return { tail, changes: tail.changes, messages: [...tail.messages], last: tail.last };
  }

  /** The file has answered. @returns whether nothing was removed or dropped meanwhile */
  release({ tail, changes }: Held): boolean {
    tail.asked--;
    return this.#data.tails.get(tail.channel) === tail && tail.changes === changes;
  }

  /**
   * A page of what was read and of what memory has.
   *
   * @param found what is below, the newest or with `after` the oldest of it
   * @returns undefined if so much was said meanwhile that memory has dropped some of it
   */
  joined(held: Held, query: HistoryQuery, found: Answered): Page | undefined {
    const { after, before = Infinity } = query;
    const isWhole = after === undefined ? before <= belowOf(held) : found.more;
    if (isWhole) return pageOf(query, found, held.last);
    const { messages, last } = held.tail;
    const since = messages.filter(({ id }) => id > held.last);
    if ((since[0]?.prev ?? last) !== held.last) return undefined;
    const all = [...found.messages, ...held.messages, ...since];
    return pageOf(query, { ...found, messages: all }, last);
  }

  /** Drops what was not used lately. What was used since the last time gets a second chance. */
  makeRoom(): void {
    const { bytes } = this.#limits;
    if (this.#data.bytes <= Math.max(bytes, this.#enough)) return;
    const { tails } = this.#data;
    let visits = 2 * tails.size;
    for (const tail of tails.values()) {
      if (this.#data.bytes <= bytes || visits-- === 0) break;
      tails.delete(tail.channel);
      tails.set(tail.channel, tail);
      if (tail.used) tail.used = false;
      else if (tail.occupied || tail.asked > 0) this.#cut(tail, 0);
      else this.#remove(tail);
    }
    this.#enough = this.#data.bytes > bytes ? this.#data.bytes + bytes * SLACK : 0;
  }

  /** Keeps only the newest messages of a tail. @param partial whether the file has the others */
  #cut(tail: Tail, count: number, partial = true): void {
    if (tail.messages.length === count) return;
    const dropped = tail.messages.splice(0, tail.messages.length - count);
    for (const message of dropped) this.#data.bytes -= cost(message);
    tail.partial = partial;
  }

  #remove(tail: Tail): void {
    this.#cut(tail, 0);
    this.#data.tails.delete(tail.channel);
    this.#data.bytes -= TAIL_BYTES + 2 * tail.channel.length;
  }
}

/** Messages with an id below this one have to be read from the file. */
export function belowOf({ messages, last }: Held): number {
  return messages[0]?.id ?? last + 1;
}

/** @param found messages without a hole, and whether there are more in the query's direction */
function pageOf(
  { after, before = Infinity, limit }: HistoryQuery,
  { messages, more }: Answered,
  last: number,
): Page {
  if (after === undefined) {
    const all = messages.filter(({ id }) => id < before);
    return { messages: all.slice(-limit), gap: false, more: more || all.length > limit };
  }
  const all = messages.filter(({ id }) => id > after);
  const gap = (all[0]?.prev ?? last) !== after;
  return { messages: all.slice(0, limit), gap, more: more || all.length > limit };
}

function cost(message: Message): number {
  return MESSAGE_BYTES + 2 * (message.text.length + message.user.length);
}
