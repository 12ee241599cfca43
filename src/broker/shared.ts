import { type Message, type Page, REMOVED } from "../protocol/encode.ts";
import type { Answer, Broker, HistoryQuery, Removal } from "./broker.ts";

/** What brokers do alike. */

/** Answers for the messages around an id by a page before it, with it, and one after it. */
export function pageAround(
  broker: Pick<Broker, "history">,
  channel: string,
  { around = 0, limit }: HistoryQuery,
  answer: Answer<Page | undefined>,
): void {
  const half = Math.ceil(limit / 2);
  broker.history(channel, { before: around + 1, limit: half }, (older) => {
    const rest = limit - (older?.messages.length ?? 0);
    broker.history(channel, { after: around, limit: rest }, (newer) => {
      if (older === undefined || newer === undefined) return answer(undefined);
      const messages = [...older.messages, ...newer.messages];
      const more = older.more || newer.more;
      answer({ messages, gap: false, more, before: older.more, after: newer.more });
    });
  });
}

/** Why a message cannot be removed, if so. */
export function removalFault(
  message: Message | undefined,
  { session }: Removal,
): "not_found" | "forbidden" | undefined {
  if (message === undefined || message.text === REMOVED) return "not_found";
  return message.session === session ? undefined : "forbidden";
}
