import { realpathSync, statSync } from "node:fs";

/** The files of the database, apart from what is in them. */

/** What {@link DatabaseFile.isThere} is about, as a reason. */
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

  /** They are no longer there for good, even if they are put back. */
  giveUp(): void {
    this.#givenUp = true;
  }
}

/** Which file is at a path; undefined if nobody can tell. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
