import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import type { Posted } from "../memory/refs.ts";
import type { Message } from "../../protocol/encode.ts";

/**
 * The thread that writes the database, so that the event loop never waits for a disk. It receives
 * batches, each of which is one transaction: all of it is on the disk, or nothing.
 */

/** A name that a session holds; `until` is 0 while a connection holds it. */
export interface NameRow {
  readonly channel: string;
  readonly key: string;
  readonly shown: string;
  readonly session: string;
  readonly since: number;
  readonly until: number;
}

/** A name as it is now; without a row, it is free. */
export interface NameChange {
  readonly channel: string;
  readonly key: string;
  readonly row: NameRow | undefined;
}

/** What goes into one transaction. */
export interface Batch {
  readonly messages: readonly (Message & { readonly channel: string })[];
  /** Whether messages are kept at all; if not, only the last id of a channel is. */
  readonly keeps: boolean;
  readonly refs: readonly Posted[];
  readonly names: readonly NameChange[];
  /** Channels whose messages up to an id are dropped, or that are forgotten altogether. */
  readonly drops: readonly { channel: string; upTo: number; forgotten: boolean }[];
}

/** Everything in the database, as it is read at the start. */
export interface Contents {
  readonly secret: Uint8Array;
  /** The highest id of a channel that was forgotten. */
  readonly forgotten: number;
  /** In the order of their last messages. */
  readonly channels: readonly { channel: string; last: number; messages: Message[] }[];
  readonly names: readonly NameRow[];
  readonly refs: readonly Posted[];
}

export type Order =
  | { readonly do: "open"; readonly path: string; readonly refsSince: number }
  | { readonly do: "write"; readonly batch: Batch; readonly refsSince: number }
  | { readonly do: "close" };

export type Reply =
  | { readonly done: "open"; readonly contents: Contents }
  | { readonly done: "write" }
  | { readonly done: "close" }
  | { readonly done: "failed"; readonly reason: string };

/** Marks the file as Shoal's own (SQLite's application_id): "Shol". */
const APPLICATION = 0x53686f6c;
/**
 * The steps from each version of the schema to the next; the version is the number of steps taken.
 * Texts and users are JSON string literals, since SQLite cannot hold a lone surrogate.
 */
const STEPS = [
  `CREATE TABLE meta (secret BLOB NOT NULL, forgotten INTEGER NOT NULL);
   INSERT INTO meta VALUES (randomblob(32), 0);
   CREATE TABLE channels (channel TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE messages (
     channel TEXT NOT NULL, id INTEGER NOT NULL, prev INTEGER NOT NULL,
     text TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (channel, id)) WITHOUT ROWID;
   CREATE TABLE refs (
     channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL,
     id INTEGER NOT NULL, hash INTEGER NOT NULL,
     PRIMARY KEY (channel, session, ref)) WITHOUT ROWID;
   CREATE INDEX refs_by_age ON refs (id);
   CREATE TABLE names (
     channel TEXT NOT NULL, key TEXT NOT NULL, shown TEXT NOT NULL, session TEXT NOT NULL,
     since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (channel, key)) WITHOUT ROWID;`,
];

/** Opens the file, creates it if needed, and brings its schema up to date. */
function open(name: string): Database {
  // Always a path, even if SQLite would read it as something else, like ":memory:".
  const path = resolve(name);
  // Nobody else on the machine may read it.
  closeSync(openSync(path, "a", 0o600));
  const database = new Database(path, { readwrite: true, strict: true });
  database.run("PRAGMA busy_timeout = 1000");
  database.run("PRAGMA locking_mode = EXCLUSIVE");
  const application = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const empty = database.query("SELECT 1 FROM sqlite_schema").get() === null;
  if (!empty && application !== APPLICATION) {
    throw new Error("it is the database of another program");
  }
  if (version > STEPS.length) {
    throw new Error("a newer version of Shoal wrote it; start that one, or take another file");
  }
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  // A write that changes nothing shows at once whether the file is writable.
  database
    .transaction(() => {
      for (const step of STEPS.slice(version)) database.run(step);
      database.run(`PRAGMA application_id = ${APPLICATION}`);
      database.run(`PRAGMA user_version = ${STEPS.length}`);
      database.run("UPDATE meta SET forgotten = forgotten");
    })
    .immediate();
  return database;
}

function pragma(database: Database, name: string): number {
  return Object.values(database.query(`PRAGMA ${name}`).get() as Record<string, number>)[0] ?? 0;
}

function read(database: Database, refsSince: number): Contents {
  const all = <T>(sql: string, ...values: (string | number)[]) =>
    database.query(sql).all(...values) as T[];
  const [meta] = all<{ secret: Uint8Array; forgotten: number }>("SELECT * FROM meta");
  const channels = all<{ channel: string; last: number }>("SELECT * FROM channels ORDER BY last");
  const messages = "SELECT id, prev, text, user FROM messages WHERE channel = ? ORDER BY id";
  return {
    secret: meta!.secret,
    forgotten: meta!.forgotten,
    channels: channels.map(({ channel, last }) => {
      return { channel, last, messages: all<Message>(messages, channel) };
    }),
    names: all<NameRow>("SELECT * FROM names"),
    refs: all<Posted>("SELECT * FROM refs WHERE id >= ? ORDER BY id", refsSince),
  };
}

/** Writes a batch. The database caches the statements, and finalizes them when it is closed. */
function write(database: Database, batch: Batch, refsSince: number): void {
  const message = database.query("INSERT INTO messages VALUES (?, ?, ?, ?, ?)");
  const channel = database.query("INSERT OR REPLACE INTO channels VALUES (?, ?)");
  const ref = database.query("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?, ?)");
  const oldRefs = database.query("DELETE FROM refs WHERE id < ?");
  const name = database.query("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?)");
  const noName = database.query("DELETE FROM names WHERE channel = ? AND key = ?");
  const drop = database.query("DELETE FROM messages WHERE channel = ? AND id <= ?");
  const forget = database.query("DELETE FROM channels WHERE channel = ? AND last <= ?");
  const forgotten = database.query("UPDATE meta SET forgotten = max(forgotten, ?)");

  for (const one of batch.drops) {
    drop.run(one.channel, one.upTo);
    if (!one.forgotten) continue;
    forget.run(one.channel, one.upTo);
    forgotten.run(one.upTo);
  }
  const lasts = new Map<string, number>();
  for (const one of batch.messages) {
    if (batch.keeps) message.run(one.channel, one.id, one.prev, one.text, one.user);
    lasts.set(one.channel, one.id);
  }
  for (const [id, last] of lasts) channel.run(id, last);
  for (const one of batch.refs) ref.run(one.channel, one.session, one.ref, one.id, one.hash);
  if (batch.refs.length > 0) oldRefs.run(refsSince);
  for (const { channel: id, key, row } of batch.names) {
    if (row === undefined) noName.run(id, key);
    else name.run(id, key, row.shown, row.session, row.since, row.until);
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  return code === "SQLITE_BUSY" ? "another process uses it" : message;
}

declare const self: Worker;

/** Answers each order with one reply, in turn. */
function serve(): void {
  let database: Database | undefined;

  function obey(order: Order): Reply {
    switch (order.do) {
      case "open":
        database = open(order.path);
        return { done: "open", contents: read(database, order.refsSince) };
      case "write":
        database?.transaction(write).immediate(database, order.batch, order.refsSince);
        return { done: "write" };
      case "close":
        database?.close();
        return { done: "close" };
    }
  }

  self.onmessage = ({ data }: MessageEvent<Order>) => {
    try {
      postMessage(obey(data));
    } catch (error) {
      postMessage({ done: "failed", reason: reasonOf(error) } satisfies Reply);
    }
  };
}

if (!Bun.isMainThread) serve();
