import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { clearLog, open, type OpenDatabase, versionOf } from "../broker/sqlite/database.ts";
import { STEPS } from "../broker/sqlite/schema.ts";
import type { Config } from "../config.ts";

/** What a command on the database is given, and how it fails. */
export interface Task {
  readonly config: Config;
  /** Of the database. */
  readonly path: string;
  readonly operand: string;
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Writes to standard output. */
  readonly write: (text: string) => Promise<void>;
}

export interface Fault {
  /** The exit status: 2 for wrong arguments, 1 for a failure. */
  readonly status: 1 | 2;
  /** One or more sentences. */
  readonly reason: string;
}

/**
 * Opens the file only to read it, whether a server uses it or not.
 *
 * @throws with a sentence if there is none, or another version of Shoal wrote it
 */
export function openToRead(path: string): Database {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  if (!isFile) throw new Error("there is no such file");
  const database = new Database(path, { readonly: true, strict: true });
  try {
    database.run("PRAGMA busy_timeout = 1000");
    if (versionOf(database) === STEPS.length) return database;
    throw new Error("an older version of Shoal wrote it; start the server on it once");
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Changes the database in one transaction while no server uses it.
 *
 * @returns whether the log is empty now. It is not if another process reads the database
 * @throws with a sentence if a server uses it
 */
export function change({ path, now }: Task, run: (database: Database) => void): boolean {
  const opened = openAlone(path, now);
  try {
    const { database } = opened;
    database.transaction(() => run(database)).immediate();
    database.run("PRAGMA busy_timeout = 1000");
    return clearLog(database);
  } finally {
    opened.database.close();
    opened.lock.close();
  }
}

function openAlone(path: string, now: number): OpenDatabase {
  try {
    return open(path, now);
  } catch (error) {
    if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
    throw new Error("a server uses it; stop the server first");
  }
}

/** Whether SQLite found that the file is damaged. */
export function isDamage(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB";
}

/** A count, like "1,234 messages". */
export function count(many: number, one: string): string {
  return `${many.toLocaleString("en")} ${one}${many === 1 ? "" : "s"}`;
}

/** Bytes, like "12.3 MB". */
export function size(bytes: number): string {
  const [unit, name] = bytes < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${(bytes / unit).toLocaleString("en", digits)} ${name}`;
}
