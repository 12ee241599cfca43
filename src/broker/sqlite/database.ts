import { Database } from "bun:sqlite";
import { resolve } from "node:path";
import type { Message } from "../../protocol/encode.ts";
import { hashOf, type Posted, REMEMBERED } from "../memory/refs.ts";
import { DatabaseFile, GONE, prepare, type SharedFile } from "./file.ts";
import type { Contents, Ref } from "./orders.ts";

/** The database: its schema, and how it is opened and read. */

/** Marks the file as Shoal's own (SQLite's application_id): "Shol". */
const APPLICATION = 0x53686f6c;
type Step = string | ((database: Database) => void);

/**
 * The steps from each version of the schema to the next; the version is the number of steps taken.
 * Texts and users are JSON string literals, since SQLite cannot hold a lone surrogate.
 */
const STEPS: readonly Step[] = [
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
  widenHashes,
  `ALTER TABLE messages ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0;
   UPDATE messages SET timestamp = id / 1000000;
   ALTER TABLE refs ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0;
   UPDATE refs SET timestamp = id / 1000000;
   DROP INDEX refs_by_age;
   CREATE INDEX refs_by_age ON refs (timestamp);
   ALTER TABLE names DROP COLUMN until;`,
];

/**
 * Gives refs the 64-bit hashes of their texts, in hexadecimal, in place of hashes of 32 bits. Where
 * the message is no longer kept, there is no text, and the ref is forgotten. What clients send again
 * after a restart is the newest, which is kept.
 */
function widenHashes(database: Database): void {
  const refs = database.prepare<Omit<Posted, "hash"> & { text: string }, []>(
    "SELECT channel, session, ref, id, text FROM refs JOIN messages USING (channel, id)",
  );
  const rows = refs.all();
  refs.finalize();
  database.run(
    `DROP TABLE refs;
     CREATE TABLE refs (
       channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL,
       id INTEGER NOT NULL, hash TEXT NOT NULL,
       PRIMARY KEY (channel, session, ref)) WITHOUT ROWID;
     CREATE INDEX refs_by_age ON refs (id);`,
  );
  const insert = database.prepare("INSERT INTO refs VALUES (?, ?, ?, ?, ?)");
  for (const { channel, session, ref, id, text } of rows) {
    insert.run(channel, session, ref, id, hashOf(text).toString(16));
  }
  insert.finalize();
}

export function writeRef(database: Database, row: Ref): void {
  const { channel, session, ref, id, hash, timestamp } = row;
  database
    .query("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?, ?, ?)")
    .run(channel, session, ref, id, hash.toString(16), timestamp);
}

/** What was posted with a ref before this is no longer remembered; both in seconds. */
export function refsSince(now: number): number {
  return now - REMEMBERED / 1000;
}

export interface OpenDatabase {
  readonly database: Database;
  readonly file: DatabaseFile;
  /** The files that others could read. */
  readonly shared: readonly SharedFile[];
  /** Why nothing can be written at the moment, if so. */
  readonly failure: string | undefined;
}

/**
 * Opens the file, creates it if needed, and brings its schema up to date.
 * @param now seconds since the epoch
 */
export function open(name: string, now: number): OpenDatabase {
  // Always a path, even if SQLite would read it as something else, like ":memory:".
  const path = resolve(name);
  const shared = prepare(path);
  const file = new DatabaseFile(path);
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
    throw new Error("a newer version of Shoal wrote it; run that version, or use another file");
  }
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  const failure = bringUpToDate(database, version, now);
  if (!file.isThere()) throw new Error(GONE);
  return { database, file, shared, failure };
}

/**
 * Takes the steps that are missing. Even if there are none it writes, which shows at once whether the
 * file is writable.
 *
 * @returns why nothing can be written now, if only room is missing and the file can be read as it is.
 *   A new file cannot: without the key in it, no session would outlive this start
 */
function bringUpToDate(database: Database, version: number, now: number): string | undefined {
  const write = database.transaction(() => {
    for (const step of STEPS.slice(version)) {
      if (typeof step === "string") database.run(step);
      else step(database);
    }
    database.run(`PRAGMA application_id = ${APPLICATION}`);
    writeVersion(database);
    // If the date was wrong, they would stay until it is right.
    database.run("UPDATE refs SET timestamp = ?1 WHERE timestamp > ?1", [now]);
  });
  try {
    write.immediate();
    return undefined;
  } catch (error) {
    if (version < STEPS.length || !isFull(error)) throw error;
    return (error as Error).message;
  }
}

/** Writes to the file even if the version is the same. SQLite skips an update that changes nothing. */
export function writeVersion(database: Database): void {
  database.run(`PRAGMA user_version = ${STEPS.length}`);
}

/**
 * Whether there was no room to write: on a full disk, or beyond a quota. The mark of a commit is
 * written last, so the batch surely is not on the disk. After a failed fsync nobody can tell.
 */
export function isFull(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "SQLITE_FULL" || code === "SQLITE_IOERR_WRITE";
}

function pragma(database: Database, name: string): number {
  return Object.values(database.query(`PRAGMA ${name}`).get() as Record<string, number>)[0] ?? 0;
}

/**
 * Reads everything.
 * @param now seconds since the epoch
 */
export function read(database: Database, now: number): Contents {
  const all = <T>(sql: string, ...values: (string | number)[]) =>
    database.query(sql).all(...values) as T[];
  const [meta] = all<{ secret: Uint8Array; forgotten: number }>("SELECT * FROM meta");
  const channels = all<{ channel: string; last: number }>("SELECT * FROM channels ORDER BY last");
  const refs = all<Omit<Ref, "hash"> & { hash: string }>(
    "SELECT * FROM refs WHERE timestamp >= ? ORDER BY timestamp, id",
    refsSince(now),
  );
  const messages =
    "SELECT id, prev, timestamp, text, user FROM messages WHERE channel = ? ORDER BY id";
  return {
    secret: meta!.secret,
    forgotten: meta!.forgotten,
    channels: channels.map(({ channel, last }) => {
      return { channel, last, messages: all<Message>(messages, channel) };
    }),
    names: all<Contents["names"][number]>("SELECT * FROM names"),
    refs: refs.map((row) => ({ ...row, hash: BigInt(`0x${row.hash}`) })),
  };
}
