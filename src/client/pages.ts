import type { HistoryQuery } from "./api.ts";
import type { Queue, Settle } from "./requests.ts";
import type { HistoryFrame, SearchFrame } from "../protocol/outbound.ts";

/** The page with which a request is answered. @throws Error if it is rejected */
export function answered(ask: (settle: Settle) => void): Promise<HistoryFrame | SearchFrame> {
  return new Promise((resolve, reject) => {
    ask((answer) => {
      if ("messages" in answer) resolve(answer);
      else reject(new Error(answer.type === "error" ? answer.message : answer.type));
    });
  });
}

/**
 * Asks for a page of history, and goes on while there is nothing but removals: those are not shown,
 * so nobody who pages by the messages would get past them.
 *
 * @param ask puts the request into a queue
 * @param settle receives the page, with the removals on the way to it, or an error frame
 */
export function askPage(ask: Queue["ask"], query: HistoryQuery, settle: Settle): void {
  ask({ type: "history", ...query }, (page) => {
    const { after, around } = query;
    if (page.type !== "history" || page.more === "false" || around !== undefined) {
      return settle(page);
    }
    const { messages } = page;
    const [first] = messages;
    if (first === undefined || messages.some(({ deletes }) => !deletes)) return settle(page);
    const next = after === undefined ? { before: first.id } : { after: messages.at(-1)!.id };
    askPage(ask, { ...query, ...next }, (rest) => {
      if (rest.type !== "history") return settle(rest);
      const [older, newer] = after === undefined ? [rest, page] : [page, rest];
      settle({ ...rest, messages: [...older.messages, ...newer.messages], gap: page.gap });
    });
  });
}
