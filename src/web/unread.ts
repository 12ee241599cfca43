import type { Entry } from "./entries.ts";

/** What was seen of a channel, and where the new messages begin. */
export interface Unread {
  /** The id of the last message seen; 0 before any. */
  readonly seen: number;
  /** The id after which everything is new; undefined: no mark. */
  readonly after: number | undefined;
  /** A message arrived. Moves `after` if it is the first new one, or the outage before it was long. */
  arrived(entry: Entry, how: Arrival): void;
  /** Everything up to this id is in view. */
  look(id: number): void;
  /** Removes the mark. */
  clear(): void;
}

export interface Arrival {
  readonly own: boolean;
  /** Whether it was in view at once. */
  readonly watched: boolean;
  /** Whether it was said while there was no connection. */
  readonly missed: boolean;
}

/** After an outage, up to this many messages can be read at a glance; more get a mark. */
const FEW = 3;

/** @param seen the id of the last message seen on the last visit; 0 for none */
export function createUnread(seen: number): Unread {
  let after = seen === 0 ? undefined : seen;
  /** Messages of an outage in a row that came into view, and the last one before them. */
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
 * The first new entry; undefined while it may be one that is not loaded.
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
