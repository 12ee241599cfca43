import type { Database } from "bun:sqlite";
import { keyOf } from "../../protocol/text.ts";
import { type Search, wordsOf } from "../words.ts";

/**
 * The full-text index. Each word has the number of its channel before it, so that a search reads the
 * hits of its own channel and of no other. The author is a word as well.
 */

/** A message in the database. */
export interface Indexed {
  readonly place: number;
  /** The number of its channel. */
  readonly channel: number;
  /** JSON string literals. */
  readonly text: string;
  readonly user: string;
}

/** Puts a message into the index. */
export function indexMessage(database: Database, message: Indexed): void {
  database
    .query("INSERT INTO words (rowid, entry) VALUES (?, ?)")
    .run(message.place, entryOf(message));
}

/** Takes a message out of the index again, whose text and user are still those that went in. */
export function unindexMessage(database: Database, message: Indexed): void {
  database
    .query("INSERT INTO words (words, rowid, entry) VALUES ('delete', ?, ?)")
    .run(message.place, entryOf(message));
}

/** The words that a message is found by, with blanks between them. */
export function entryOf({ channel, text, user }: Indexed): string {
  const words = wordsOf(JSON.parse(text) as string).map((word) => `${channel}_${word}`);
  return [`${channel}_${authorOf(keyOf(JSON.parse(user) as string))}`, ...words].join(" ");
}

/** No word of a text begins like this. A name can hold what the index does not take for a word. */
function authorOf(key: string): string {
  return `@${Bun.hash.wyhash(key).toString(36)}`;
}

/** A search as FTS5 writes it (sqlite.org/fts5.html, section 3). Words have no quotes in them. */
export function expressionOf({ phrases, from }: Search, channel: number): string {
  const terms = phrases.map(({ words, open }) => {
    return `"${words.map((word) => `${channel}_${word}`).join(" ")}"${open ? "*" : ""}`;
  });
  if (from !== undefined) terms.push(`"${channel}_${authorOf(from)}"`);
  return terms.join(" AND ");
}
