import type { ChatMessage, HistoryPage } from "./api.ts";
import type { HistoryFrame, MessageFields } from "../protocol/outbound.ts";

/** From the protocol's frames to what the library's users receive. */

export function toMessage(fields: MessageFields, ref?: string): ChatMessage {
  const { text, user, timestamp, id, prev } = fields;
  return {
    text,
    user,
    timestamp,
    ...(id === undefined ? {} : { id, prev: prev ?? 0 }),
    ...(ref === undefined ? {} : { ref }),
  };
}

export function toPage({ messages, gap, more }: HistoryFrame): HistoryPage {
  return {
    messages: messages.map((fields) => toMessage(fields)),
    gap: gap === "true",
    more: more === "true",
  };
}
