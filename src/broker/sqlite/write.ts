import type { Database } from "bun:sqlite";
import { REMOVED } from "../../protocol/encode.ts";
import { type OpenDatabase, pragma, refsSince, writeRef, writeVersion } from "./database.ts";
import { type Indexed, indexMessage, unindexMessage } from "./index-words.ts";
import type { Batch, Drop, Expired, Retention, Row } from "./orders.ts";

/** What the thread that writes does to the database, each in a transaction of its caller. */

/** A channel as it stands in the database. */
interface Channel {
  readonly number: number;
  readonly channel: string;
  last: number;
  /** How many messages are kept, and their bytes. */
  kept: number;
  bytes: number;
  /** The network that pays for it, by a majority of votes; see shares.ts. */
  owner: string | null;
  votes: number;
  /** When something was said last, in seconds since the epoch. */
  used: number;
}

type Stored = Indexed & { readonly id: number; readonly network: string | null };

/** The channels that a transaction changes, each read and written once. */
class Touched {
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
    // What a lower limit leaves over goes in small steps.
    if (channel.kept > limit) dropOldest(database, channel, Math.min(channel.kept - limit, STEP));
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
  channel.bytes += text.length + user.length;
  vote(channel, network ?? null);
}

function vote(channel: Channel, network: string | null): void {
  if (channel.votes === 0) channel.owner = network;
  channel.votes += channel.owner === network ? 1 : -1;
}

/** How many messages leave a channel at once, in a step that has to stay short. */
const STEP = 200;

const STORED = "SELECT place, channel, id, text, user, network FROM messages";

/** Drops the oldest messages of a channel. @returns the id of the last of them */
function dropOldest(database: Database, channel: Channel, count: number): number {
  const rows = database
    .query<Stored, [number, number]>(`${STORED} WHERE channel = ? ORDER BY id LIMIT ?`)
    .all(channel.number, count);
  for (const row of rows) drop(database, channel, row);
  return rows.at(-1)?.id ?? 0;
}

function drop(database: Database, channel: Channel, row: Stored): void {
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

/**
 * Lets go of what has to go, a few milliseconds' worth at a time.
 * @returns what has left, as memory may still hold it, and which channels seem to be unused
 */
export function expire(
  opened: OpenDatabase,
  { limit, ttl, age, size }: Retention,
  expired: readonly Expired[],
  now: number,
): { readonly drops: readonly Drop[]; readonly unused: readonly string[] } {
  const { database, forgetting } = opened;
  const drops: Drop[] = [];
  const touched = new Touched(database);
  const dropFrom = (name: string, count: number) => {
    const upTo = dropOldest(database, touched.channel(name), count);
    if (upTo > 0) drops.push({ channel: name, upTo, forgotten: false });
  };
  if (limit < Infinity) {
    for (const { channel, over } of overLimit(database, limit)) {
      dropFrom(channel, Math.min(over, STEP));
    }
  }
  if (age > 0) for (const { channel, old } of tooOld(database, now - age)) dropFrom(channel, old);
  if (size > 0 && sizeOf(database) > size) {
    for (const channel of largestShare(database)) dropFrom(channel, STEP);
  }
  touched.write();
  forgetting.push(...expired);
  for (let room = STEP; room > 0 && forgetting.length > 0;) {
    const { channel, upTo } = forgetting[0]!;
    const [dropped, drop] = forget(database, channel, upTo, room);
    room -= dropped + 1;
    if (drop === undefined) continue;
    drops.push(drop);
    forgetting.shift();
  }
  database.run(`PRAGMA incremental_vacuum(${STEP})`);
  return { drops, unused: ttl > 0 ? unused(database, now - ttl, now) : [] };
}

/** Channels with more messages than the limit, which was higher before. */
function overLimit(database: Database, limit: number) {
  return database
    .query<{ channel: string; over: number }, [number, number]>(
      "SELECT channel, kept - ? AS over FROM channels WHERE kept > ? LIMIT 5",
    )
    .all(limit, limit);
}

/** The channels of the oldest messages, and how many of them are too old. */
function tooOld(database: Database, before: number) {
  return database
    .query<{ channel: string; old: number }, [number, number]>(
      `SELECT channels.channel AS channel, count(*) AS old FROM
         (SELECT channel, timestamp FROM messages ORDER BY place LIMIT ?) AS oldest
         JOIN channels ON number = oldest.channel
       WHERE oldest.timestamp < ? GROUP BY number`,
    )
    .all(STEP, before);
}

/** Bytes of the file that are in use. */
export function sizeOf(database: Database): number {
  const pages = pragma(database, "page_count") - pragma(database, "freelist_count");
  return pages * pragma(database, "page_size");
}

/** The largest channels of the network whose channels take the most. */
function largestShare(database: Database): string[] {
  return database
    .query<{ channel: string }, []>(
      `SELECT channel FROM channels WHERE kept > 0 AND owner IS (
         SELECT owner FROM channels GROUP BY owner ORDER BY sum(bytes) DESC LIMIT 1)
       ORDER BY bytes DESC LIMIT 5`,
    )
    .all()
    .map(({ channel }) => channel);
}

/** Some channels in which nothing was said for too long. Somebody may be in them. */
function unused(database: Database, before: number, now: number): string[] {
  const rows = database
    .query<{ channel: string }, [number]>("SELECT channel FROM channels WHERE used < ? LIMIT 50")
    .all(before);
  // Not again for a while, in use or not.
  const use = database.query("UPDATE channels SET used = ? WHERE channel = ?");
  for (const { channel } of rows) use.run(now, channel);
  return rows.map(({ channel }) => channel);
}

/**
 * Forgets a channel up to an id, or altogether.
 * @returns how many messages were dropped, and what is gone once that is all
 */
function forget(
  database: Database,
  name: string,
  upTo: number | undefined,
  most: number,
): [number, Drop | undefined] {
  const touched = new Touched(database);
  const channel = touched.channel(name);
  const id = upTo ?? channel.last;
  const rows = database
    .query<Stored, [number, number, number]>(
      `${STORED} WHERE channel = ? AND id <= ? ORDER BY id LIMIT ?`,
    )
    .all(channel.number, id, most);
  for (const row of rows) drop(database, channel, row);
  touched.write();
  if (rows.length === most) return [most, undefined];
  const gone = channel.last <= id;
  if (gone) database.query("DELETE FROM channels WHERE number = ?").run(channel.number);
  database.query("UPDATE meta SET forgotten = max(forgotten, ?)").run(id);
  return [rows.length, { channel: name, upTo: id, forgotten: gone }];
}
