import type { Database } from "bun:sqlite";
import type { Message } from "../../protocol/encode.ts";
import { isEmpty, searchOf } from "../words.ts";
import { expressionOf } from "./index-words.ts";

/** What the thread that reads finds in the database. */

/** A question to it about one channel. `limit` is of messages. */
export type Question = Inquiry & {
  readonly channel: string;
  /** What is forgotten up to this id may still be there, but is not told. */
  readonly floor: number;
};

export type Inquiry =
  /** Its last id, and its newest messages. */
  | { readonly ask: "tail"; readonly limit: number }
  /** Messages between two ids, neither included: the oldest of them or, without `after`, the newest. */
  | {
      readonly ask: "range";
      readonly after: number | undefined;
      readonly before: number;
      readonly limit: number;
    }
  | {
      readonly ask: "search";
      readonly query: string;
      readonly before?: number | undefined;
      readonly limit: number;
    }
  /** One message. */
  | { readonly ask: "message"; readonly id: number };

/** Messages, the oldest first but for a search. */
export interface Answered {
  readonly messages: readonly Message[];
  /** Whether there are more in the direction of the question. */
  readonly more: boolean;
  /** Of a tail: the last id; undefined if the channel is not known. */
  readonly last?: number | undefined;
}

/** Why the file could not be read. */
export interface Unreadable {
  readonly failed: string;
}

type Row = Omit<Message, "session" | "deletes"> & {
  readonly session: string | null;
  readonly deletes: number | null;
};

const COLUMNS = "id, prev, timestamp, text, user, session, deletes";

export function answer(database: Database, question: Question): Answered {
  const channel = database
    .query<{ number: number; last: number }, [string]>(
      "SELECT number, last FROM channels WHERE channel = ?",
    )
    .get(question.channel);
  const { floor } = question;
  if (channel === null || channel.last <= floor) return { messages: [], more: false };
  const { number, last } = channel;
  switch (question.ask) {
    case "tail":
      return { ...tail(database, { number, floor }, question.limit), last };
    case "range": {
      const { after, before, limit } = question;
      return range(database, { number, floor, after, before }, limit);
    }
    case "search":
      return search(database, number, question);
    case "message": {
      const between = { after: question.id - 1, before: question.id + 1 };
      return range(database, { number, floor, ...between }, 1);
    }
  }
}

/** If its messages cannot be read, new ones can still follow the last. */
function tail(database: Database, channel: { number: number; floor: number }, limit: number) {
  try {
    return range(database, { ...channel, before: Number.MAX_SAFE_INTEGER }, limit);
  } catch {
    return { messages: [], more: true };
  }
}

interface Range {
  /** The number of the channel. */
  readonly number: number;
  readonly floor: number;
  readonly after?: number | undefined;
  readonly before: number;
}

function range(
  database: Database,
  { number, floor, after, before }: Range,
  limit: number,
): Answered {
  const order = after === undefined ? "DESC" : "ASC";
  const rows = database
    .query<Row, [number, number, number, number]>(
      `SELECT ${COLUMNS} FROM messages WHERE channel = ? AND id > ? AND id < ? ORDER BY id ${order} LIMIT ?`,
    )
    .all(number, Math.max(after ?? 0, floor), before, limit + 1);
  const messages = rows.slice(0, limit).map(messageOf);
  if (after === undefined) messages.reverse();
  return { messages, more: rows.length > limit };
}

function search(
  database: Database,
  channel: number,
  { query, before, limit, floor }: Question & { ask: "search" },
): Answered {
  const wanted = searchOf(query);
  if (isEmpty(wanted)) return { messages: [], more: false };
  const place = database
    .query<{ place: number }, [number, number]>(
      "SELECT place FROM messages WHERE channel = ? AND id < ? ORDER BY id DESC LIMIT 1",
    )
    .get(channel, before ?? Number.MAX_SAFE_INTEGER)?.place;
  if (place === undefined) return { messages: [], more: false };
  // The plus keeps SQLite from going through all of the channel instead of the hits.
  const rows = database
    .query<Row, [string, number, number, number, number]>(
      `SELECT ${COLUMNS} FROM messages WHERE place IN (
         SELECT rowid FROM words WHERE words MATCH ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?)
       AND +channel = ? AND +id > ? ORDER BY place DESC`,
    )
    .all(expressionOf(wanted, channel), place, limit + 1, channel, floor);
  return { messages: rows.slice(0, limit).map(messageOf), more: rows.length > limit };
}

/** A row, without what is not there. What the disk has damaged must not damage a frame. */
function messageOf({ text, user, session, deletes, ...rest }: Row): Message {
  const texts = { text: literalOf(text), user: literalOf(user) };
  const message = { ...rest, ...texts, session: session ?? undefined };
  return deletes === null ? message : { ...message, deletes };
}

function literalOf(stored: unknown): string {
  try {
    if (typeof JSON.parse(stored as string) === "string") return stored as string;
  } catch {
    // Shown below as it is.
  }
  return JSON.stringify(`${stored}`);
}
