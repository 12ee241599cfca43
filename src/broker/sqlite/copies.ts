import { existsSync, rmSync, statSync } from "node:fs";
import { STEPS } from "./schema.ts";

/** The copies of older files that migrations leave beside the database. */

/** Seconds that one is kept. Messages that are removed in the meantime are still in it. */
export const COPY_KEPT = 7 * 24 * 3600;

export function copyPath(path: string, version: number): string {
  return `${path}-v${version}`;
}

/** Those that are there. One that a server has run on since is a database of its own. */
export function copiesOf(path: string): string[] {
  const all = STEPS.map((_, version) => copyPath(path, version));
  return all.filter((copy) => existsSync(copy) && !existsSync(`${copy}-lock`));
}

/**
 * Deletes those that are old enough.
 *
 * @param now seconds since the epoch
 * @returns which
 */
export function deleteOldCopies(path: string, now: number): string[] {
  return copiesOf(path).filter((copy) => {
    try {
      if (statSync(copy).mtimeMs / 1000 > now - COPY_KEPT) return false;
      rmSync(copy);
      return true;
    } catch {
      // It stays, and is tried again another day.
      return false;
    }
  });
}
