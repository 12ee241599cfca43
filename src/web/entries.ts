import type { ChatMessage } from "../client/client.ts";

/** A message of a channel as the page keeps it. */
export interface Entry {
  text: string;
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly id?: number | undefined;
  /** The id before it in its channel; 0: none. */
  readonly prev?: number | undefined;
  /** Whether this page sent it. */
  readonly own?: boolean;
  /** Whether messages are missing before it. */
  gap?: boolean;
  /** Whether its text was removed. */
  removed?: boolean;
}

/** One of your own messages, on its way. */
export interface Outgoing extends Entry {
  readonly ref: string;
  readonly state: "sending" | "sent" | "failed";
  /** Whether it cannot be sent now: there is no connection, or no name. */
  readonly held?: boolean;
  /** Why it was rejected. */
  readonly reason?: string;
  /** Whether it would be rejected again unless it is edited. */
  readonly mustEdit?: boolean;
}

export function entryOf(message: ChatMessage): Entry {
  const { text, user, timestamp, id, prev, ref, removed = false } = message;
  const time = id === undefined ? timestamp * 1000 : id / 1000;
  return { text, user, time, id, prev, own: ref !== undefined, removed };
}

/** The entries of a page of history. @param gap whether messages are missing before it */
export function entriesOf(messages: readonly ChatMessage[], gap = false): Entry[] {
  return messages.map((message, at) => {
    const before = messages[at - 1];
    const apart = before === undefined ? gap : message.prev !== before.id;
    return { ...entryOf(message), gap: apart };
  });
}

/** What is drawn above an entry. */
export interface Lead {
  /** Whether a day begins with it. */
  readonly day: boolean;
  /** Whether something is missing before it. */
  readonly gap: boolean;
  /** Whether it shows its author and time, since it does not continue the one before. */
  readonly head: boolean;
}

/** One author's messages are grouped for this long, in milliseconds. */
const TOGETHER = 5 * 60_000;

/** @param before the entry above it; undefined for the first */
export function leadOf(before: Entry | undefined, entry: Entry): Lead {
  if (before === undefined) return { day: true, gap: false, head: true };
  const day = !sameDay(before.time, entry.time);
  const gap = entry.gap === true;
  const apart = entry.user !== before.user || entry.time - before.time > TOGETHER;
  return { day, gap, head: day || gap || apart };
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** Inserts entries into a list that is sorted by id, each once. Most belong at an end. */
export function insert(entries: Entry[], fresh: readonly Entry[]): void {
  for (const entry of fresh) {
    const at = placeOf(entries, entry);
    if (at !== undefined) entries.splice(at, 0, entry);
  }
}

/** Where an entry belongs; undefined if it is there already. */
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
