import type { Chat } from "../client/client.ts";
import { keptWords } from "./words.ts";

/** What becomes of a message that one deletes: one can undo it, it is gone, or it stays. */
export interface Fate {
  readonly state: "undo" | "gone" | "kept";
  /** Why it stays. */
  readonly reason?: string;
}

/** How long one can undo it, in milliseconds. */
const MOMENT = 5000;

/** Deletes messages of one's own, after a moment in which one can undo it. */
export class Removals {
  readonly #chat: Chat;
  readonly #changed: (reason?: string) => void;
  readonly #fates = new Map<number, Fate>();
  /** The message that one can still undo. */
  #last: { id: number; timer: ReturnType<typeof setTimeout> } | undefined;
  /** Requests without an answer. */
  #asked = 0;

  /** @param changed is called when rows must be redrawn; with the reason if a message stays */
  constructor(chat: Chat, changed: (reason?: string) => void) {
    this.#chat = chat;
    this.#changed = changed;
    window.addEventListener("pagehide", this.#send);
  }

  /** Whether the server has yet to hear of some. */
  get unsent(): boolean {
    return this.#last !== undefined || this.#asked > 0;
  }

  of(id: number): Fate | undefined {
    return this.#fates.get(id);
  }

  /** One at a time can be undone, so that one request is enough when the tab is closed. */
  begin(id: number): void {
    this.#send();
    this.#last = { id, timer: setTimeout(this.#send, MOMENT) };
    this.#set(id, { state: "undo" });
  }

  undo(): void {
    if (this.#last === undefined) return;
    clearTimeout(this.#last.timer);
    this.#fates.delete(this.#last.id);
    this.#last = undefined;
    this.#changed();
  }

  readonly #send = (): void => {
    if (this.#last === undefined) return;
    const { id, timer } = this.#last;
    clearTimeout(timer);
    this.#last = undefined;
    this.#set(id, { state: "gone" });
    this.#asked++;
    void this.#chat.remove(id).then((sent) => {
      this.#asked--;
      if (!sent.ok) this.#set(id, { state: "kept", reason: keptWords(sent.code, sent.message) });
    });
  };

  #set(id: number, fate: Fate): void {
    this.#fates.set(id, fate);
    this.#changed(fate.reason);
  }
}
