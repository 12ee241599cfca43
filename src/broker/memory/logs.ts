import type { Message, Page } from "../../protocol/encode.ts";
import type { HistoryQuery } from "../broker.ts";
import type { Log } from "./accounts.ts";

/** What is kept of one channel: how its messages come and go, are read, and what they take. */

/** What a log and a message take beside their strings, in bytes: measured. */
const LOG_BYTES = 325;
const MESSAGE_BYTES = 145;

/** A log is compacted once it has more dropped messages than this, and more than others. */
const COMPACT_FROM = 32;
/** Shared by all logs without messages. */
const NONE: never[] = [];

/** @param last the highest id that its last message may have had, if it had one */
export function newLog(channel: string, last: number): Log {
  // A literal, since an object made by spread takes a third more memory.
  return {
    channel,
    last,
    messages: NONE,
    start: 0,
    occupied: false,
    used: false,
    bytes: LOG_BYTES + bytesOf(channel),
    network: undefined,
    votes: 0,
    mixed: false,
    ring: undefined,
    place: 0,
  };
}

/** What a message takes, in bytes, by estimate. */
export function costOf({ text, user }: Message): number {
  return MESSAGE_BYTES + bytesOf(text) + user.length;
}

/**
 * The characters of a string, which Bun keeps in one byte each if all are ASCII, and else in two. To
 * look also makes one string of its parts, which would keep the whole frame in memory.
 */
function bytesOf(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}

/** Whether anything of a log is kept. */
export function isKept({ messages, start }: Log): boolean {
  return start < messages.length;
}

export function addMessage(log: Log, message: Message): void {
  // Not a literal: Bun gives those as much room as others that were made there came to need.
  if (log.messages.length === 0) log.messages = Array.of(message);
  else log.messages.push(message);
}

/** Takes the oldest message out of a log that is not empty. */
export function takeOldest(log: Log): Message {
  const message = log.messages[log.start]!;
  log.messages[log.start++] = undefined;
  // Seldom, since it takes a copy.
  if (log.start > COMPACT_FROM && 2 * log.start >= log.messages.length) {
    log.messages = log.messages.slice(log.start);
    log.start = 0;
  }
  return message;
}

export function pageOf(log: Log, { after, before, limit }: HistoryQuery): Page {
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

export function oldestOf({ messages, start }: Log): Message | undefined {
  return messages[start];
}

export function messageAt(log: Log, id: number): Message | undefined {
  const message = log.messages[placeOf(log, id)];
  return message?.id === id ? message : undefined;
}

/** Puts a message in the place of the one with its id. */
export function replace(log: Log, message: Message): void {
  log.messages[placeOf(log, message.id)] = message;
}

/** The newest messages that fit, the newest first. */
export function newestOf(
  { messages, start }: Log,
  fits: (message: Message) => boolean,
  limit: number,
): Message[] {
  const found: Message[] = [];
  for (let n = messages.length - 1; n >= start && found.length < limit; n--) {
    const message = messages[n]!;
    if (fits(message)) found.push(message);
  }
  return found;
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
