import { type Entry, entryOf } from "./entries.ts";
import type { Chat, HistoryPage } from "../client/client.ts";
import { PAGE } from "../protocol/limits.ts";

/** The pages of history above what is loaded. */
export class Older {
  /** Whether there are any. */
  more = false;
  readonly #chat: Chat;
  readonly #add: (entries: readonly Entry[]) => void;
  #begun = false;
  #loading = false;

  /** @param add is also called without entries, to redraw the beginning of the list */
  constructor(chat: Chat, add: (entries: readonly Entry[]) => void) {
    this.#chat = chat;
    this.#add = add;
  }

  get available(): boolean {
    return this.more && !this.#loading;
  }

  /** The first page arrived. */
  begin(page: HistoryPage): void {
    this.#begun = true;
    this.more = page.more;
    this.#add(page.messages.map(entryOf));
  }

  /** Loads the page before these entries. */
  async load(entries: readonly Entry[]): Promise<void> {
    const before = entries.find(({ id }) => id !== undefined)?.id;
    if (before === undefined) return;
    this.#loading = true;
    this.#add([]);
    let older: Entry[] = [];
    try {
      const page = await this.#chat.history({ before, limit: PAGE.default });
      this.more = page.more && page.messages.length > 0;
      older = page.messages.map(entryOf);
    } catch (error) {
      // The next scroll tries again.
      console.warn("Cannot load earlier messages.", error);
    }
    this.#loading = false;
    this.#add(older);
  }

  /** What stands above the first entry. */
  words(first: Entry | undefined, sending: boolean): string {
    if (!this.#begun) return "";
    if (this.#loading) return "Loading earlier messages…";
    if (first === undefined) {
      return sending ? "" : "No messages yet. Say hello: everyone at this address can read it.";
    }
    if (this.more) return "";
    const trimmed = first.prev !== undefined && first.prev !== 0;
    return trimmed ? "Earlier messages are no longer stored." : "This is the beginning.";
  }
}
