import type { GapEvent } from "./api.ts";
import { PAGE } from "../protocol/limits.ts";
import type { HistoryFrame, MessageFields } from "../protocol/outbound.ts";

export type ChainedMessage = MessageFields & Required<Pick<MessageFields, "id" | "prev">>;

export interface InboxOptions {
  /** How many messages to begin with. */
  readonly history: number;
  /** The id after which to begin, instead. */
  readonly after: number | undefined;
  /** Asks for a page of history; the answer is undefined if it was rejected for good. */
  readonly ask: (query: PageQuery, then: (page?: HistoryFrame) => void) => void;
  readonly onFirst: (page: HistoryFrame) => void;
  /** @param missed whether the server had to be asked for it */
  readonly onMessage: (fields: MessageFields, missed: boolean) => void;
  readonly onGap: (gap: GapEvent) => void;
}

export interface PageQuery {
  readonly after?: number;
  readonly limit: number;
}

/** Puts together what a channel says: each message once and in order, and every gap reported. */
export class Inbox {
  /** The id of the last message that was delivered; 0 before any. */
  last = 0;
  readonly #options: InboxOptions;
  #plain = false;
  /** Whether the first messages have arrived. */
  #begun = false;
  /** The channel's last id, as far as this connection knows. */
  #tail = 0;
  /** Messages that arrived while those before them are awaited. */
  #held: ChainedMessage[] | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /**
   * A connection is in its channel: starts, or continues where the one before ended.
   *
   * @param tail the channel's last id, or undefined on the plain protocol
   */
  enter(tail: number | undefined): void {
    const { after } = this.#options;
    const wasPlain = this.#plain;
    this.#plain = tail === undefined;
    this.#tail = tail ?? 0;
    this.#held = undefined;
    if (this.#begun && (this.#plain || wasPlain)) return this.#missed();
    if (!this.#begun && !this.#plain) {
      if (after === undefined) return this.#begin();
      this.last = after;
    }
    this.#begun = true;
    if (!this.#plain && this.last !== this.#tail) this.#resume([]);
  }

  /** A message arrived. */
  message(fields: MessageFields): void {
    if (this.#plain) return this.#options.onMessage(fields, false);
    const message = fields as ChainedMessage;
    this.#tail = message.id;
    if (this.#held !== undefined) this.#held.push(message);
    // What is missing may still be in the history.
    else if (message.id > this.last && message.prev !== this.last) this.#resume([message]);
    else this.#take(message);
  }

  #begin(): void {
    const { history, ask, onFirst } = this.#options;
    const limit = Math.min(history, PAGE.max);
    this.last = this.#tail;
    this.#begun = limit === 0;
    if (this.#begun) return;
    this.#held = [];
    ask({ limit }, (page) => {
      this.#begun = true;
      this.last = Math.max(this.last, page?.messages.at(-1)?.id ?? 0);
      if (page !== undefined) onFirst(page);
      this.#release();
    });
  }

  /** Asks for what came after the last message, and holds what arrives meanwhile. */
  #resume(held: ChainedMessage[]): void {
    this.#held = held;
    this.#options.ask({ after: this.last, limit: PAGE.max }, (page) => {
      const { messages = [], gap, more } = page ?? {};
      const known = messages.length > 0 || this.#held?.some(({ id }) => id > this.last);
      if (gap === "true" && known !== true) this.#missed();
      for (const message of messages) this.#take(message, true);
      if (messages.length > 0 && more === "true") this.#resume(this.#held ?? []);
      else this.#release();
    });
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#take(message);
  }

  /** Delivers a message unless it is a duplicate, and reports a gap before it. */
  #take(message: ChainedMessage, missed = false): void {
    if (message.id <= this.last) return;
    if (message.prev !== this.last) {
      this.#options.onGap({ after: this.last, next: message.id });
    }
    this.last = message.id;
    this.#options.onMessage(message, missed);
  }

  /** Messages are missing, up to the last one that is known of. */
  #missed(): void {
    this.#options.onGap({ after: this.last });
    this.last = this.#tail;
  }
}
