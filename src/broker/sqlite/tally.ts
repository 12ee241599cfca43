import type { Database } from "bun:sqlite";
import { REMOVED } from "../../protocol/encode.ts";
import { type Indexed, indexMessage } from "./index-words.ts";

/** What follows from the messages in the database: the counts of the channels, and the index. */

/** What is kept of a channel. */
export interface Tally {
  kept: number;
  /** UTF-16 code units of the texts and users, which SQLite cannot count. */
  bytes: number;
}

/**
 * Reads all messages.
 *
 * @param visit receives those that belong into the index
 * @returns what is kept of each channel, by its number
 */
export function tally(database: Database, visit: (row: Indexed) => void): Map<number, Tally> {
  const tallies = new Map<number, Tally>();
  const rows = database.prepare<Indexed, []>("SELECT place, channel, text, user FROM messages");
  for (const row of rows.iterate()) {
    const channel = tallies.getOrInsertComputed(row.channel, () => ({ kept: 0, bytes: 0 }));
    channel.kept++;
    channel.bytes += row.text.length + row.user.length;
    if (row.text !== REMOVED) visit(row);
  }
  rows.finalize();
  return tallies;
}

/** Counts what is kept of each channel, and makes the index anew. */
export function recount(database: Database): void {
  database.run("INSERT INTO words (words) VALUES ('delete-all')");
  const tallies = tally(database, (row) => indexMessage(database, row));
  database.run("UPDATE channels SET kept = 0, bytes = 0");
  const update = database.query("UPDATE channels SET kept = ?, bytes = ? WHERE number = ?");
  for (const [number, { kept, bytes }] of tallies) update.run(kept, bytes, number);
}
