import { button, find, make, nameElement } from "./dom.ts";
import { excerptOf } from "./hits.ts";
import { undirected } from "./pieces.ts";
import { count, moment } from "./words.ts";
import type { ChatMessage, SearchPage } from "../client/client.ts";
import { QUERY_LIMIT } from "../protocol/limits.ts";

export interface SearchActions {
  /** Asks the server. @throws Error */
  search(query: { query: string; before?: number }): Promise<SearchPage>;
  /** Goes to a message. @returns whether it is still there; throws Error if that is not known */
  goTo(id: number): Promise<boolean>;
}

const HINT = 'Words, "a phrase", begin* or from:name';

/** The field for a search and what it has found, above the messages. */
export class Search {
  readonly #actions: SearchActions;
  readonly #opener = find("show-search", HTMLButtonElement);
  readonly #panel = find("search", HTMLElement);
  readonly #messages = find("messages", HTMLElement);
  readonly #query = find("query", HTMLInputElement);
  readonly #status = find("found", HTMLElement);
  readonly #hits = find("hits", HTMLElement);
  readonly #more = find("more-hits", HTMLButtonElement);
  /** The rows of what was found, by their ids, the newest first. */
  readonly #rows = new Map<number, HTMLElement>();
  /** What was asked for last. */
  #asked = "";
  /** What had the focus before. */
  #before: Element | null = null;

  constructor(actions: SearchActions) {
    this.#actions = actions;
    this.#query.maxLength = QUERY_LIMIT;
    this.#status.textContent = HINT;
    const keys = /Mac|iP/.test(navigator.platform) ? "⌘K" : "Ctrl+K";
    this.#opener.title = `Search (${keys})`;
    this.#opener.addEventListener("click", () => (this.#panel.hidden ? this.open() : this.close()));
    this.#more.addEventListener("click", () => void this.#search([...this.#rows.keys()].at(-1)));
    find("close-search", HTMLButtonElement).addEventListener("click", () => this.close());
    find("searching", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#search();
    });
    // A click on the messages, which are inert meanwhile.
    const { parentElement: main } = this.#messages;
    main?.addEventListener("click", ({ target }) => target === main && this.close());
    document.addEventListener("keydown", (event) => {
      const modifier = keys === "⌘K" ? event.metaKey : event.ctrlKey;
      if (!modifier || event.shiftKey || event.altKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      this.open();
    });
    this.#panel.addEventListener("keydown", ({ key, isComposing }) => {
      if (key === "Escape" && !isComposing) this.close();
    });
  }

  open(): void {
    if (this.#panel.hidden) this.#before = document.activeElement;
    this.#show(true);
    this.#query.select();
  }

  /** Gives the focus back to where it was. */
  close(): void {
    this.#show(false);
    const before = this.#before;
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    if (document.activeElement === document.body) this.#opener.focus();
  }

  /** A message was removed, so it is not found any more. */
  remove(id: number): void {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
  }

  #show(open: boolean): void {
    this.#panel.hidden = !open;
    // What is covered cannot be used.
    this.#messages.inert = open;
    this.#opener.setAttribute("aria-expanded", String(open));
  }

  /** @param before shows more, before this id */
  async #search(before?: number): Promise<void> {
    const query = before === undefined ? this.#query.value.trim() : this.#asked;
    this.#asked = query;
    if (before === undefined) this.#clear();
    if (query === "") return;
    this.#say("Searching…");
    this.#more.disabled = true;
    try {
      const page = await this.#actions.search({ query, ...(before && { before }) });
      if (this.#asked === query) this.#add(query, page);
    } catch (error) {
      if (this.#asked === query) this.#fail("This search failed.", error);
    }
    this.#more.disabled = false;
  }

  #clear(): void {
    this.#rows.clear();
    this.#hits.replaceChildren();
    this.#more.hidden = true;
    this.#say(HINT);
  }

  #add(query: string, { messages, more }: SearchPage): void {
    const first = this.#rows.size;
    for (const message of messages) {
      const { id = 0 } = message;
      if (!this.#rows.has(id)) this.#rows.set(id, make("li", "", this.#hitOf(message, query)));
    }
    const fresh = [...this.#rows.values()].slice(first);
    this.#hits.append(...fresh);
    // The button may be gone now.
    if (first > 0) fresh[0]?.querySelector("button")?.focus();
    this.#more.hidden = !more || messages.length === 0;
    const all = count(this.#rows.size, "message", "messages");
    if (this.#rows.size === 0) this.#say(`Nothing found for “${query}”.`);
    else this.#say(more ? `The latest ${all}` : all);
  }

  #hitOf({ id = 0, user, text, timestamp }: ChatMessage, query: string): HTMLElement {
    const time = make("time", "", moment(timestamp * 1000, Date.now()));
    time.dateTime = new Date(timestamp * 1000).toISOString();
    const parts = excerptOf(undirected(text), query);
    const words = parts.map((part) => (part.hit ? make("mark", "", part.text) : part.text));
    const said = make("span", "text", ...words);
    said.dir = "auto";
    const hit = button("", () => void this.#goTo(id), "hit");
    hit.append(make("span", "who", nameElement(user), time), said);
    return hit;
  }

  async #goTo(id: number): Promise<void> {
    try {
      if (!(await this.#actions.goTo(id))) this.#say("This message is no longer there.");
    } catch (error) {
      this.#fail("Cannot go to this message.", error);
    }
  }

  /** Makes way for the messages. */
  leave(): void {
    this.#show(false);
  }

  #fail(words: string, error: unknown): void {
    this.#say(`${words} ${error instanceof Error ? error.message : ""}`);
  }

  #say(words: string): void {
    this.#status.textContent = words;
  }
}
