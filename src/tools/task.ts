import type { Database } from "bun:sqlite";
import { open, type OpenDatabase } from "../broker/sqlite/database.ts";
import { clearLog } from "../broker/sqlite/transactions.ts";
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
    opened.uncleared = true;
    clearLog(opened, 1000);
    return !opened.uncleared;
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
