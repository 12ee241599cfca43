import type { GapEvent } from "./api.ts";
import type { HistoryFrame, MessageFields } from "./frames.ts";

/** Puts together what a channel says: each message once and in order, and every gap told. */

export type ChainedMessage = Required<MessageFields>;

/**
 * What to do with the next message, by the chain that ids and prevs make.
 *
 * @param last the id of the last message that was delivered; 0 before any
 */
export function judge(
  last: number,
  message: { readonly id: number; readonly prev: number },
): "deliver" | "double" | "gap" {
  if (message.id <= last) return "double";
  return message.prev === last ? "deliver" : "gap";
}

export interface Inbox {
  /** The id of the last message that was delivered; 0 before any. */
  readonly last: number;
  /**
   * A connection is in its channel: begins, or goes on where the one before has ended.
   *
   * @param tail the channel's last id, or undefined on the plain protocol
   */
  enter(tail: number | undefined): void;
  /** A message came. */
  message(fields: MessageFields): void;
}

export interface InboxOptions {
  /** How many messages to begin with. */
  readonly history: number;
  /** The id after which to begin, instead. */
  readonly after: number | undefined;
  /** Asks for a page of history; the answer is undefined where that was refused for good. */
  readonly ask: (query: PageQuery, then: (page: HistoryFrame | undefined) => void) => void;
  readonly onFirst: (page: HistoryFrame) => void;
  /** @param missed whether it is one that the server had to be asked for */
  readonly onMessage: (fields: MessageFields, missed: boolean) => void;
  readonly onGap: (gap: GapEvent) => void;
}

interface PageQuery {
  readonly after?: number;
  readonly limit: number;
}

/** Most messages in a page. */
const PAGE = 200;

export function createInbox(options: InboxOptions): Inbox {
  const { ask, onFirst, onMessage, onGap } = options;
  let plain = false;
  /** Whether the first messages have come. */
  let begun = false;
  let last = 0;
  /** The channel's last id, as far as this connection has told. */
  let tail = 0;
  /** Messages that came while those before them are awaited. */
  let held: ChainedMessage[] | undefined;

  function enter(known: number | undefined): void {
    const wasPlain = plain;
    plain = known === undefined;
    tail = known ?? 0;
    held = undefined;
    if (begun && (plain || wasPlain)) missed();
    else if (plain) begun = true;
    else if (begun) goOn();
    else if (options.after === undefined) begin();
    else {
      begun = true;
      last = options.after;
      goOn();
    }
  }

  function goOn(): void {
    if (last !== tail) resume([]);
  }

  function begin(): void {
    last = tail;
    const limit = Math.min(options.history, PAGE);
    begun = limit === 0;
    if (begun) return;
    held = [];
    ask({ limit }, (page) => {
      begun = true;
      last = Math.max(last, page?.messages.at(-1)?.id ?? 0);
      if (page !== undefined) onFirst(page);
      letGo();
    });
  }

  /** Asks for what came after the last message, and holds what comes meanwhile. */
  function resume(come: ChainedMessage[]): void {
    held = come;
    ask({ after: last, limit: PAGE }, (page) => {
      const { messages = [], gap, more } = page ?? {};
      const known = messages.length > 0 || held?.some(({ id }) => id > last);
      if (gap === "true" && known !== true) missed();
      for (const message of messages) take(message, true);
      if (messages.length > 0 && more === "true") resume(held ?? []);
      else letGo();
    });
  }

  function letGo(): void {
    const come = held ?? [];
    held = undefined;
    for (const message of come) take(message);
  }

  /** The next of the chain, or what comes in its place. */
  function take(message: ChainedMessage, missed = false): void {
    const verdict = judge(last, message);
    if (verdict === "double") return;
    if (verdict === "gap") onGap({ after: last, next: message.id });
    last = message.id;
    onMessage(message, missed);
  }

  /** Messages are missing up to the last that is known of. */
  function missed(): void {
    onGap({ after: last });
    last = tail;
  }

  return {
    get last() {
      return last;
    },
    enter,
    message(fields) {
      if (plain) return onMessage(fields, false);
      const message = fields as ChainedMessage;
      tail = message.id;
      if (held !== undefined) held.push(message);
      else if (judge(last, message) !== "gap") take(message);
      // What is missing may still be in the history.
      else resume([message]);
    },
  };
}
