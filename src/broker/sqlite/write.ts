import type { Database } from "bun:sqlite";
import { REMOVED } from "../../protocol/encode.ts";
import { refsSince, writeRef, writeVersion } from "./database.ts";
import { type Indexed, indexMessage, unindexMessage } from "./index-words.ts";
import type { Batch, Retention, Row } from "./orders.ts";

/** What the thread that writes does to the database, each in a transaction of its caller. */

/** A channel as it stands in the database. */
export interface Channel {
  readonly number: number;
  readonly channel: string;
  last: number;
  /** How many messages are kept, and their bytes. */
  kept: number;
  bytes: number;
  /** The network that pays for it, by a majority of votes; see accounts.ts. */
  owner: string | null;
  votes: number;
  /** When something was said last, in seconds since the epoch. */
  used: number;
}

export type Stored = Indexed & { readonly id: number; readonly network: string | null };

/** The channels that a transaction changes, each read and written once. */
export class Touched {
  readonly #database: Database;
  readonly #channels = new Map<string, Channel>();

  constructor(database: Database) {
    this.#database = database;
  }

  channel(name: string): Channel {
    return this.#channels.getOrInsertComputed(name, () => {
      const columns = "number, channel, last, kept, bytes, owner, votes, used";
      const known = this.#database.query<Channel, [string]>(
        `SELECT ${columns} FROM channels WHERE channel = ?`,
      );
      const made = this.#database.query<Channel, [string]>(
        `INSERT INTO channels (channel, last) VALUES (?, 0) RETURNING ${columns}`,
      );
      return known.get(name) ?? made.get(name)!;
    });
  }

  write(): void {
    const update = this.#database.query(
      "UPDATE channels SET last = ?, kept = ?, bytes = ?, owner = ?, votes = ?, used = ? WHERE number = ?",
    );
    for (const { last, kept, bytes, owner, votes, used, number } of this.#channels.values()) {
      update.run(last, kept, bytes, owner, votes, used, number);
    }
  }

  [Symbol.iterator](): Iterator<Channel> {
    return this.#channels.values();
  }
}

/** Writes a batch. @returns whether a text was removed, which must leave the disk as well */
export function insert(
  database: Database,
  batch: Batch,
  { limit }: Retention,
  now: number,
): boolean {
  const touched = new Touched(database);
  if (batch.probe) writeVersion(database);
  for (const message of batch.messages) {
    const channel = touched.channel(message.channel);
    channel.last = message.id;
    channel.used = message.timestamp;
    if (limit > 0) append(database, channel, message);
  }
  for (const channel of touched) {
    const over = channel.kept - limit;
    // What a lower limit leaves over goes in small steps.
    if (over > 0) dropOldest(database, channel, Math.min(over, STEP + batch.messages.length));
  }
  touched.write();
  for (const ref of batch.refs) writeRef(database, ref);
  if (batch.refs.length > 0) {
    database.query("DELETE FROM refs WHERE timestamp < ?").run(refsSince(now));
  }
  const name = database.query("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?)");
  const noName = database.query("DELETE FROM names WHERE channel = ? AND key = ?");
  for (const { channel, key, row } of batch.names) {
    if (row === undefined) noName.run(channel, key);
    else name.run(channel, key, row.shown, row.session, row.since);
  }
  return batch.messages.some(({ deletes }) => deletes);
}

function append(database: Database, channel: Channel, message: Row): void {
  const { id, prev, timestamp, text, user, session, network, deletes } = message;
  if (deletes) removeText(database, channel, deletes);
  const { lastInsertRowid } = database
    .query("INSERT INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .run(
      ...[channel.number, id, prev, timestamp, text, user],
      ...[session ?? null, network ?? null, deletes ?? null],
    );
  if (text !== REMOVED) {
    const place = Number(lastInsertRowid);
    indexMessage(database, { place, channel: channel.number, text, user });
  }
  channel.kept++;
  const bytes = text.length + user.length;
  channel.bytes += bytes;
  vote(channel, network ?? null, bytes);
}

/** As in memory, votes count bytes, and what is no longer kept has none; see accounts.ts. */
function vote(channel: Channel, network: string | null, bytes: number): void {
  if (channel.owner === network) {
    channel.votes = Math.min(channel.votes + bytes, channel.bytes);
    return;
  }
  channel.votes -= bytes;
  if (channel.votes >= 0) return;
  channel.owner = network;
  channel.votes *= -1;
}

/** How many messages leave a channel at once, in a step that has to stay short. */
export const STEP = 200;

export const STORED = "SELECT place, channel, id, text, user, network FROM messages";

/** Drops the oldest messages of a channel. @returns the id of the last of them */
export function dropOldest(database: Database, channel: Channel, count: number): number {
  const rows = database
    .query<Stored, [number, number]>(`${STORED} WHERE channel = ? ORDER BY id LIMIT ?`)
    .all(channel.number, count);
  for (const row of rows) drop(database, channel, row);
  return rows.at(-1)?.id ?? 0;
}

export function drop(database: Database, channel: Channel, row: Stored): void {
  if (row.text !== REMOVED) unindexMessage(database, row);
  database.query("DELETE FROM messages WHERE place = ?").run(row.place);
  channel.kept--;
  channel.bytes -= row.text.length + row.user.length;
}

/** Takes the text of a message out of the database and its words out of the index. */
export function removeText(database: Database, channel: Channel, id: number): void {
  const row = database
    .query<Stored, [number, number]>(`${STORED} WHERE channel = ? AND id = ?`)
    .get(channel.number, id);
  if (row === null || row.text === REMOVED) return;
  setSecure(database, true);
  unindexMessage(database, row);
  setSecure(database, false);
  database.query("UPDATE messages SET text = ? WHERE place = ?").run(REMOVED, row.place);
  channel.bytes -= row.text.length - REMOVED.length;
}

/** Whether the index overwrites words that leave it. That takes ten times as long. */
function setSecure(database: Database, secure: boolean): void {
  database.run(`INSERT INTO words (words, rank) VALUES ('secure-delete', ${Number(secure)})`);
}
