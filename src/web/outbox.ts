import type { Chat, Sent } from "../client/client.ts";
import type { Entry, Outgoing } from "./entries.ts";
import { refusalWords } from "./words.ts";

/** One's own messages, from when they are sent until they appear in the channel. */
export interface Outbox {
  readonly outgoing: readonly Outgoing[];
  send(text: string): void;
  retry(outgoing: Outgoing): void;
  /** The name or the connection has changed. */
  refresh(): void;
  discard(outgoing: Outgoing): void;
  /** A message arrived in the channel: if it is one's own, it is no longer on its way. */
  seen(entry: Entry, ref: string | undefined): void;
}

/** After these, only editing helps. */
const MUST_EDIT = new Set(["text_too_long", "text_blank"]);

/**
 * @param user one's own name; empty: none
 * @param wasSeen whether the channel's list has a message with this id
 * @param changed is called when it must be redrawn
 */
export function createOutbox(
  chat: Chat,
  user: () => string,
  wasSeen: (id: number) => boolean,
  changed: () => void,
): Outbox {
  let outgoing: Outgoing[] = [];
  const held = () => chat.state !== "open" || user() === "";

  function settled(ref: string, sent: Sent): void {
    outgoing = outgoing.flatMap((one): Outgoing[] => {
      if (one.ref !== ref) return [one];
      if (!sent.ok) {
        const reason = refusalWords(sent.code, sent.message);
        return [{ ...one, state: "failed", reason, mustEdit: MUST_EDIT.has(sent.code) }];
      }
      return sent.id !== undefined && wasSeen(sent.id)
        ? []
        : [{ ...one, state: "sent", id: sent.id }];
    });
    changed();
  }

  const outbox: Outbox = {
    get outgoing() {
      return outgoing;
    },
    send(text) {
      const { ref, sent } = chat.send(text);
      const now: Outgoing = { ref, text, user: user(), time: Date.now(), state: "sending" };
      outgoing = [...outgoing, { ...now, held: held() }];
      changed();
      void sent.then((result) => settled(ref, result));
    },
    retry(one) {
      outbox.discard(one);
      outbox.send(one.text);
    },
    refresh() {
      const next = { user: user(), held: held() };
      const differs = (one: Outgoing) => one.user !== next.user || one.held !== next.held;
      if (!outgoing.some((one) => one.state === "sending" && differs(one))) return;
      outgoing = outgoing.map((one) => (one.state === "sending" ? { ...one, ...next } : one));
      changed();
    },
    discard({ ref }) {
      outgoing = outgoing.filter((one) => one.ref !== ref);
      changed();
    },
    seen({ id }, ref) {
      const rest = outgoing.filter((one) => one.ref !== ref && (id === undefined || one.id !== id));
      if (rest.length === outgoing.length) return;
      outgoing = rest;
      changed();
    },
  };
  return outbox;
}
