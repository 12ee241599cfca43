/** The messages of a channel as the page keeps them, and how one stands to the one before it. */
export interface Entry {
  readonly text: string;
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly id?: number | undefined;
  /** The id before it in its channel; 0 where there is none. */
  readonly prev?: number | undefined;
}

/** A message of one's own that is on its way. */
export interface Waiting extends Entry {
  readonly ref: string;
  readonly state: "sending" | "sent" | "failed";
  /** Whether it can not be sent now: there is no connection, or no name. */
  readonly held?: boolean;
  /** Why it was refused. */
  readonly reason?: string;
  /** Whether it would be refused again as it is. */
  readonly hopeless?: boolean;
}

/** What is drawn above an entry. */
export interface Lead {
  /** Whether a day begins with it. */
  readonly day: boolean;
  /** Whether something is missing before it. */
  readonly gap: boolean;
  /** Whether it says who wrote it and when, since it does not go on from the one before. */
  readonly head: boolean;
}

/** One author's messages stand together for this long, in milliseconds. */
const TOGETHER = 5 * 60_000;

/** @param before the entry above it; undefined for the first */
export function leadOf(before: Entry | undefined, entry: Entry): Lead {
  if (before === undefined) return { day: true, gap: false, head: true };
  const day = !sameDay(before.time, entry.time);
  const chained = before.id !== undefined && entry.prev !== undefined;
  const gap = chained && entry.prev !== before.id;
  const apart = entry.user !== before.user || entry.time - before.time > TOGETHER;
  return { day, gap, head: day || gap || apart };
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** Puts entries into a list that is sorted by id, each once. Most come at an end. */
export function insert(entries: Entry[], fresh: readonly Entry[]): void {
  for (const entry of fresh) {
    const at = placeOf(entries, entry);
    if (at !== undefined) entries.splice(at, 0, entry);
  }
}

/** Where an entry belongs; undefined where it is there already. */
function placeOf(entries: readonly Entry[], { id }: Entry): number | undefined {
  if (id === undefined) return entries.length;
  let low = 0;
  let high = entries.length;
  if (high > 0 && (entries[high - 1]?.id ?? 0) < id) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.id ?? 0) < id) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.id === id ? undefined : low;
}
