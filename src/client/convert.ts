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
  return messages.filter(({ deletes }) => !deletes).map((fields) => toMessage(fields));
}

export function toPage({ messages, gap, more, before, after }: HistoryFrame): HistoryPage {
  const page = { messages: toMessages(messages), gap: gap === "true", more: more === "true" };
  if (before === undefined) return page;
  return { ...page, before: before === "true", after: after === "true" };
}

export function toFound({ messages, more }: HistoryFrame | SearchFrame): SearchPage {
  return { messages: toMessages(messages), more: more === "true" };
}
