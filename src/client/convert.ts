import type { ChatMessage, HistoryPage, SearchPage } from "./api.ts";
import type { HistoryFrame, MessageFields, SearchFrame } from "../protocol/outbound.ts";

/** From the protocol's frames to what the library's users receive. */

export function toMessage(fields: MessageFields, ref?: string): ChatMessage {
  const { text, user, timestamp, id, prev, deleted } = fields;
  return {
    text,
    user,
    timestamp,
    ...(id === undefined ? {} : { id, prev: prev ?? 0 }),
    ...(ref === undefined ? {} : { ref }),
    ...(deleted === "true" ? { removed: true } : {}),
  };
}

/** Messages without what removes others: that is in the messages themselves. */
function toMessages(messages: readonly MessageFields[]): ChatMessage[] {
  /** What is before each removal: without them, the chain of a page is unbroken, too. */
  const before = new Map<number, number>();
  return messages.flatMap((fields) => {
    const { id = 0, prev = 0, deletes } = fields;
    const shown = before.get(prev) ?? prev;
    if (deletes === undefined) return [toMessage({ ...fields, prev: shown })];
    before.set(id, shown);
    return [];
  });
}

export function toPage({ messages, gap, more, before, after }: HistoryFrame): HistoryPage {
  const page = { messages: toMessages(messages), gap: gap === "true", more: more === "true" };
  if (before === undefined) return page;
  return { ...page, before: before === "true", after: after === "true" };
}

export function toFound({ messages, more }: HistoryFrame | SearchFrame): SearchPage {
  return { messages: toMessages(messages), more: more === "true" };
}
