import { type Entry, entriesOf, insert } from "./entries.ts";
import type { Chat, HistoryPage } from "../client/client.ts";
import { PAGE } from "../protocol/limits.ts";

/** Messages that follow one another, and whether there are more on each side. */
export interface Stretch {
  readonly entries: Entry[];
  older: boolean;
  newer: boolean;
}

export type Side = "older" | "newer";

/** What is loaded of the history: the latest messages, and the old place that one looks at. */
export class Pages {
  /** The latest messages. */
  present: Stretch = { entries: [], older: false, newer: false };
  /** What the list shows: the latest messages, or those around an old one. */
  shown = this.present;
  /** Whether messages are missing after the latest one. */
  gap = false;
  readonly #chat: Chat;
  readonly #add: (entries: readonly Entry[], to: Stretch) => void;
  #begun = false;
  #loading: Side | undefined;

  /** @param add puts entries into a stretch; without any, it redraws the ends of the list */
  constructor(chat: Chat, add: (entries: readonly Entry[], to: Stretch) => void) {
    this.#chat = chat;
    this.#add = add;
  }

  /** Whether the latest messages are not what is shown. */
  get past(): boolean {
    return this.shown !== this.present;
  }

  /** Whether there are more messages on a side, and it is time to ask for them. */
  available(side: Side): boolean {
    return this.shown[side] && this.#loading === undefined;
  }

  /** The first page arrived. */
  begin(page: HistoryPage): void {
    this.#begun = true;
    this.present.older = page.more;
    this.#add(entriesOf(page.messages), this.present);
  }

  /** A message was said. */
  arrived(entry: Entry): void {
    entry.gap = this.gap;
    this.gap = false;
    this.#add([entry], this.present);
  }

  /** Loads the next page on a side of what is shown. */
  async load(side: Side): Promise<void> {
    const stretch = this.shown;
    const { entries } = stretch;
    const older = side === "older";
    const id = older ? entries.find(hasId)?.id : entries.findLast(hasId)?.id;
    if (id === undefined) return;
    this.#loading = side;
    this.#add([], stretch);
    let found: Entry[] = [];
    try {
      const page = await this.#chat.history({
        [older ? "before" : "after"]: id,
        limit: PAGE.default,
      });
      found = entriesOf(page.messages, page.gap);
      stretch[side] = page.more && found.length > 0;
    } catch (error) {
      // The next scroll tries again.
      console.warn("Cannot load messages.", error);
    }
    this.#loading = undefined;
    this.#add(found, stretch);
    if (older || !this.#reachesPresent(stretch)) return;
    this.#add(this.present.entries, stretch);
    this.#makePresent(stretch);
  }

  /**
   * Goes to a message, and loads what is around it if necessary.
   *
   * @returns the message; undefined if it is no longer there, and nothing has changed
   * @throws Error if it cannot be loaded
   */
  async goTo(id: number): Promise<Entry | undefined> {
    const isIt = (entry: Entry) => entry.id === id;
    let stretch = [this.shown, this.present].find(({ entries }) => entries.some(isIt));
    if (stretch === undefined) {
      const page = await this.#chat.history({ around: id, limit: PAGE.default });
      const { before: older = false, after: newer = false } = page;
      stretch = { entries: entriesOf(page.messages), older, newer };
      if (!stretch.entries.some(isIt)) return undefined;
      if (this.#reachesPresent(stretch)) {
        insert(stretch.entries, this.present.entries);
        this.#makePresent(stretch);
      }
    }
    this.shown = stretch;
    return stretch.entries.find(isIt);
  }

  /** Goes back to the latest messages. */
  goBack(): void {
    this.shown = this.present;
  }

  /** A message was removed: nothing of its text stays. */
  erase(id: number): void {
    for (const { entries } of [this.shown, this.present]) {
      const entry = entries.find((one) => one.id === id);
      if (entry !== undefined) Object.assign(entry, { text: "", removed: true });
    }
    this.#add([], this.shown);
  }

  /** What stands above the first entry. */
  words(sending: boolean): string {
    const [first] = this.shown.entries;
    if (!this.#begun) return "";
    if (this.#loading === "older") return "Loading earlier messages…";
    if (first === undefined) {
      return sending ? "" : "No messages yet. Say hello: everyone at this address can read it.";
    }
    if (this.shown.older) return "";
    const trimmed = first.prev !== undefined && first.prev !== 0;
    return trimmed ? "Earlier messages are no longer stored." : "This is the beginning.";
  }

  /** Whether nothing is between a stretch and the latest messages. */
  #reachesPresent({ entries, newer }: Stretch): boolean {
    return !newer || (entries.at(-1)?.id ?? 0) >= (this.present.entries[0]?.id ?? Infinity);
  }

  #makePresent(stretch: Stretch): void {
    stretch.newer = false;
    this.present = stretch;
  }
}

function hasId({ id }: Entry): boolean {
  return id !== undefined;
}
