import type { Entry } from "./entries.ts";

/** What was seen of a channel, and where what is new begins. */
export interface Unread {
  /** The id of the last message that was seen; 0 before any. */
  readonly seen: number;
  /** The id after which everything is new; undefined where nothing is marked. */
  readonly after: number | undefined;
  /** A message came. Changes `after` where what is new begins with it, or some messages before it. */
  arrived(entry: Entry, how: Arrival): void;
  /** Everything up to this id is in sight. */
  look(id: number): void;
  /** What is new needs no mark any more. */
  clear(): void;
}

export interface Arrival {
  readonly own: boolean;
  /** Whether it came into sight at once. */
  readonly watched: boolean;
  /** Whether it was said while there was no connection. */
  readonly missed: boolean;
}

/** So many messages after an outage are read as they come; where there are more, one looks for the first. */
const FEW = 3;

/** @param seen the id of the last message that was seen when one was here before; 0 for never */
export function createUnread(seen: number): Unread {
  let after = seen === 0 ? undefined : seen;
  /** The messages of an outage that came in sight, in a row, and the last one before them. */
  let missed = 0;
  let missedAfter = 0;

  return {
    get seen() {
      return seen;
    },
    get after() {
      return after;
    },
    arrived({ id = 0, prev = 0 }, how) {
      if (!how.missed) missed = 0;
      if (how.own || how.watched) {
        if (how.missed && !how.own && missed++ === 0) missedAfter = seen;
        seen = Math.max(seen, id);
        if (missed === FEW + 1) after = missedAfter;
      } else if (after === undefined || after < seen) {
        after = seen === 0 ? prev : seen;
      }
    },
    look(id) {
      seen = Math.max(seen, id);
    },
    clear() {
      after = undefined;
    },
  };
}

/**
 * The entry that what is new begins with; undefined while it may still be one that is not loaded.
 *
 * @param after the id after which everything is new
 * @param more whether there are entries before these
 */
export function firstNew(
  entries: readonly Entry[],
  after: number | undefined,
  more: boolean,
): Entry | undefined {
  if (after === undefined) return undefined;
  const at = entries.findIndex(({ id = 0 }) => id > after);
  const first = entries[at];
  const known = at > 0 || !more || (first?.prev ?? 0) <= after;
  return known ? first : undefined;
}
