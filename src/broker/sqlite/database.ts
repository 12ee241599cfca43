import { Database } from "bun:sqlite";
import { closeSync, existsSync, openSync, realpathSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { REMEMBERED } from "../memory/refs.ts";
import { copyPath } from "./copies.ts";
import { DatabaseFile, GONE, prepare, type SharedFile } from "./file.ts";
import type { Contents, Expired, Ref } from "./orders.ts";
import { APPLICATION, STEPS } from "./schema.ts";

/** The database: how it is opened, and what is read at the start. */

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
  readonly path: string;
  readonly database: Database;
  /** Whether another connection can read it. */
  readonly shares: boolean;
  readonly file: DatabaseFile;
  /** Held as long as this process uses the file. */
  readonly lock: Database;
  /** The files that others could read. */
  readonly shared: readonly SharedFile[];
  /** What happened to an older file, if so. */
  readonly migrated: Migration | undefined;
  /** Why nothing can be written at the moment, if so. */
  readonly failure: string | undefined;
  /** Whether a text that was removed may still be in the log. */
  uncleared: boolean;
  /** Channels that are being forgotten. */
  readonly forgetting: Expired[];
  /** When it was last looked for old copies, in seconds since the epoch. */
  copiesSeen: number;
}

/** An older file was brought up to date; a copy of what it was stands beside it. */
export interface Migration {
  readonly from: number;
  readonly copy: string;
}

/**
 * Opens the file, creates it if needed, and brings its schema up to date.
 * @param now seconds since the epoch
 */
export function open(name: string, now: number): OpenDatabase {
  // Always a path, even if SQLite would read it as something else, like ":memory:".
  const path = resolve(name);
  const shared = prepare(path);
  const lock = lockFile(`${realpathSync(path)}-lock`);
  const file = new DatabaseFile(path);
  const { database, shares } = connect(path);
  try {
    const version = versionOf(database);
    if (version === undefined) database.run("PRAGMA auto_vacuum = INCREMENTAL");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA secure_delete = ON");
    // A text that was removed right before a crash leaves the log.
    const uncleared = !clearLog(database);
    const copy = version === undefined || version === STEPS.length ? "" : copyPath(path, version);
    if (copy !== "") copyTo(database, copy);
    const failure = bringUpToDate(database, version ?? 0, now);
    // Also if the start that migrated it did not come so far.
    if (failure === undefined) makeVacuumable(database);
    if (!file.isThere()) throw new Error(GONE);
    const migrated = copy === "" ? undefined : { from: version!, copy };
    // From here on, messages wait behind whatever this waits for.
    database.run("PRAGMA busy_timeout = 50");
    const progress = { uncleared, forgetting: [], copiesSeen: 0 };
    return { path, database, shares, file, lock, shared, migrated, failure, ...progress };
  } catch (error) {
    database.close();
    lock.close();
    throw error;
  }
}

/**
 * Opens the file for several connections. For that SQLite needs a small file for what they share; on a
 * full disk there may be no room for it, and then one connection has to do.
 */
function connect(path: string): Pick<OpenDatabase, "database" | "shares"> {
  for (const shares of [true, false]) {
    const database = new Database(path, { readwrite: true, strict: true });
    try {
      database.run("PRAGMA busy_timeout = 1000");
      if (!shares) database.run("PRAGMA locking_mode = EXCLUSIVE");
      database.query("SELECT 1 FROM sqlite_schema").get();
      return { database, shares };
    } catch (error) {
      database.close();
      const { code } = error as { code?: string };
      if (!shares || code?.startsWith("SQLITE_IOERR") !== true) throw error;
    }
  }
  throw new Error("unreachable");
}

/** Another server on the same file would write what this one does not know. */
function lockFile(path: string): Database {
  if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
  const lock = new Database(path, { readwrite: true });
  try {
    // On a full disk, a lock takes no room unless the file is empty.
    lock.run("CREATE TABLE IF NOT EXISTS lock (held)");
    lock.run("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** @returns undefined for a new file */
export function versionOf(database: Database): number | undefined {
  const application = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const empty = database.query("SELECT 1 FROM sqlite_schema").get() === null;
  if (empty) return undefined;
  if (application !== APPLICATION) throw new Error("it is the database of another program");
  if (version > STEPS.length) {
    throw new Error("a newer version of Shoal wrote it; run that version, or use another file");
  }
  return version;
}

/** Copies the database to a new file, private like the database. */
export function copyTo(database: Database, path: string): void {
  // A leftover of a copy that was interrupted.
  rmSync(path, { force: true });
  closeSync(openSync(path, "wx", 0o600));
  database.run("VACUUM INTO ?", [path]);
}

/** Lets a file from before this was the default give its free pages back, once there is room for it. */
function makeVacuumable(database: Database): void {
  if (pragma(database, "auto_vacuum") === INCREMENTAL) return;
  database.run(`PRAGMA auto_vacuum = ${INCREMENTAL}`);
  try {
    database.run("VACUUM");
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

const INCREMENTAL = 2;

/**
 * Writes the log to the file and empties it: until then it holds texts that were removed.
 * @returns whether that is done; not if somebody reads, or there is no room
 */
export function clearLog(database: Database): boolean {
  try {
    return (
      database.query<{ busy: number }, []>("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0
    );
  } catch {
    return false;
  }
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

export function pragma(database: Database, name: string): number {
  return Object.values(database.query(`PRAGMA ${name}`).get() as Record<string, number>)[0] ?? 0;
}

/**
 * Reads what the server needs from the start: no history.
 * @param now seconds since the epoch
 */
export function read(database: Database, now: number): Contents {
  const all = <T>(sql: string, ...values: (string | number)[]) =>
    database.query(sql).all(...values) as T[];
  const [meta] = all<{ secret: Uint8Array; forgotten: number; limits: string }>(
    "SELECT * FROM meta",
  );
  const refs = all<Omit<Ref, "hash"> & { hash: string }>(
    "SELECT * FROM refs WHERE timestamp >= ? ORDER BY timestamp, id",
    refsSince(now),
  );
  return {
    secret: meta!.secret,
    forgotten: meta!.forgotten,
    names: all<Contents["names"][number]>("SELECT * FROM names"),
    refs: refs.map((row) => ({ ...row, hash: BigInt(`0x${row.hash}`) })),
    before: JSON.parse(meta!.limits) as Contents["before"],
  };
}

export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  if (code === "SQLITE_BUSY") return "another process uses it";
  const isDamaged = code?.startsWith("SQLITE_CORRUPT") === true;
  return isDamaged ? `it is damaged (${message}); shoal check says what is left` : message;
}
