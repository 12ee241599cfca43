import { chmodSync, closeSync, openSync, realpathSync, type Stats, statSync } from "node:fs";

/** The files of the database, apart from what is in them. */

/** A file that others on the machine could read. */
export interface SharedFile {
  readonly path: string;
  /** Its mode at the start, in octal. */
  readonly mode: string;
  /** Whether only its owner can read it now. */
  readonly isPrivate: boolean;
}

/**
 * Creates the file of a database if there is none, and makes it private if it is not.
 *
 * @returns the files that others could read: the database, or what a crash has left beside it
 * @throws if there is something else at the path, as opening a FIFO would hang
 */
export function prepare(path: string): SharedFile[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() === false) throw new Error(`it is ${kindOf(stats)}, not a file`);
  closeSync(openSync(path, "a", 0o600));
  const real = realpathSync(path);
  return [real, `${real}-wal`, `${real}-shm`].flatMap((file) => makePrivate(file) ?? []);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  return stats.isSocket() ? "a socket" : "a device";
}

/** @returns the file if others could read it */
function makePrivate(path: string): SharedFile | undefined {
  const mode = modeOf(path);
  if ((mode & 0o077) === 0) return undefined;
  try {
    chmodSync(path, 0o600);
  } catch {
    // The file is another user's. The mode below shows whether this worked.
  }
  const isPrivate = (modeOf(path) & 0o077) === 0;
  return { path, mode: mode.toString(8).padStart(4, "0"), isPrivate };
}

function modeOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
}

/** The reason if {@link DatabaseFile.isThere} is false. */
export const GONE = "its file was deleted or replaced";

/**
 * The files that SQLite has open. Once they are no longer at their paths, what is written to them is
 * lost at a restart, and another server can start on a new file there.
 */
export class DatabaseFile {
  readonly #paths: readonly string[];
  /** Which files were there first. */
  readonly #identities: (string | undefined)[];
  #givenUp = false;

  /** @param path absolute, of a file that exists and is about to be opened */
  constructor(path: string) {
    this.#paths = [path, `${realpathSync(path)}-wal`];
    this.#identities = [identityOf(path)];
  }

  /** Whether the files are still those that were there first. */
  isThere(): boolean {
    const now = this.#paths.map(identityOf);
    // SQLite makes the log when it opens the database.
    this.#identities[1] ??= now[1];
    return (
      !this.#givenUp && now.every((one, n) => one !== undefined && one === this.#identities[n])
    );
  }

  /** Treats the files as gone for good, even if they are put back. */
  giveUp(): void {
    this.#givenUp = true;
  }
}

/** Which file is at a path; undefined if that is unknown. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
