import type { Chat, Sent } from "../client/client.ts";
import type { Entry, Waiting } from "./entries.ts";
import { refusalWords } from "./words.ts";

/** One's own messages from the moment they are written until they are seen among the others. */
export interface Outbox {
  readonly waiting: readonly Waiting[];
  send(text: string): void;
  retry(waiting: Waiting): void;
  /** The name or the connection has changed. */
  refresh(): void;
  discard(waiting: Waiting): void;
  /** A message of the channel: what was one's own on its way is then no longer. */
  seen(entry: Entry, ref: string | undefined): void;
}

/** What one can do about it is to write it anew. */
const HOPELESS = new Set(["text_too_long", "text_blank"]);

/**
 * @param user one's own name; empty while one has none
 * @param wasSeen whether a message with this id is among those of the channel
 * @param changed is called when something of it is to be drawn anew
 */
export function createOutbox(
  chat: Chat,
  user: () => string,
  wasSeen: (id: number) => boolean,
  changed: () => void,
): Outbox {
  let waiting: Waiting[] = [];
  const held = () => chat.state !== "open" || user() === "";

  function settled(ref: string, sent: Sent): void {
    waiting = waiting.flatMap((one): Waiting[] => {
      if (one.ref !== ref) return [one];
      if (!sent.ok) {
        const reason = refusalWords(sent.code, sent.message);
        return [{ ...one, state: "failed", reason, hopeless: HOPELESS.has(sent.code) }];
      }
      return sent.id !== undefined && wasSeen(sent.id)
        ? []
        : [{ ...one, state: "sent", id: sent.id }];
    });
    changed();
  }

  const outbox: Outbox = {
    get waiting() {
      return waiting;
    },
    send(text) {
      const { ref, sent } = chat.send(text);
      const now: Waiting = { ref, text, user: user(), time: Date.now(), state: "sending" };
      waiting = [...waiting, { ...now, held: held() }];
      changed();
      void sent.then((result) => settled(ref, result));
    },
    retry(one) {
      outbox.discard(one);
      outbox.send(one.text);
    },
    refresh() {
      const next = { user: user(), held: held() };
      const differs = (one: Waiting) => one.user !== next.user || one.held !== next.held;
      if (!waiting.some((one) => one.state === "sending" && differs(one))) return;
      waiting = waiting.map((one) => (one.state === "sending" ? { ...one, ...next } : one));
      changed();
    },
    discard({ ref }) {
      waiting = waiting.filter((one) => one.ref !== ref);
      changed();
    },
    seen({ id }, ref) {
      const rest = waiting.filter((one) => one.ref !== ref && (id === undefined || one.id !== id));
      if (rest.length === waiting.length) return;
      waiting = rest;
      changed();
    },
  };
  return outbox;
}
