import { button, make, nameElement } from "./dom.ts";
import type { Entry, Lead, Waiting } from "./entries.ts";
import { hrefOf, isFewEmoji, mentions, type Piece, piecesOf } from "./pieces.ts";
import { clock, dayOf, fullTime, gapWords } from "./words.ts";

/** One row of the list: what leads to a message, and the message. */
export interface RowParts {
  readonly before: Entry | undefined;
  readonly entry: Entry;
  readonly lead: Lead;
  /** Whether what is new begins with it. */
  readonly fresh: boolean;
  /** One's own name. */
  readonly user: string | undefined;
}

export function rowOf({ before, entry, lead, fresh, user }: RowParts): HTMLLIElement {
  const row = make("li", "row");
  if (lead.day) row.append(rule("day", dayOf(entry.time, Date.now())));
  if (lead.gap && before !== undefined) {
    row.append(make("p", "gap", gapWords(before.time, entry.time)));
  }
  if (fresh) row.append(rule("fresh", "New messages"));
  if (lead.head) {
    const name = entry.user === "" ? [] : [nameElement(entry.user)];
    row.append(make("p", "who", ...name, timeOf(entry.time)));
    row.classList.add("head");
  }
  const text = make("p", "text", ...piecesOf(entry.text, user).map(nodeOf));
  text.dir = "auto";
  if (isFewEmoji(entry.text)) text.classList.add("emoji");
  const line = make("div", "line", text);
  line.title = fullTime(entry.time);
  if (!lead.head) line.prepend(timeOf(entry.time));
  if (mentions(entry.text, user)) line.classList.add("mine");
  row.append(line);
  return row;
}

export interface WaitingActions {
  retry(waiting: Waiting): void;
  /** To write it anew. */
  edit(waiting: Waiting): void;
  discard(waiting: Waiting): void;
}

/** The row of a message of one's own that is on its way. */
export function waitingRowOf(
  parts: RowParts,
  waiting: Waiting,
  actions: WaitingActions,
): HTMLLIElement {
  const row = rowOf(parts);
  row.classList.add("waiting", waiting.state);
  if (waiting.held === true) row.classList.add("held");
  if (waiting.state === "sending") {
    row.append(make("p", "progress", waiting.held === true ? "Waiting to send" : "Sending…"));
  }
  if (waiting.state === "failed") {
    const reason = make("span", "", `Not sent. ${waiting.reason ?? ""}`);
    reason.dir = "auto";
    const again =
      waiting.hopeless === true
        ? button("Edit", () => actions.edit(waiting))
        : button("Try again", () => actions.retry(waiting));
    const away = button("Discard", () => actions.discard(waiting));
    row.append(make("p", "failure", reason, again, away));
  }
  return row;
}

function rule(className: string, words: string): HTMLElement {
  return make("p", `rule ${className}`, make("span", "", words));
}

function timeOf(time: number): HTMLTimeElement {
  const element = make("time", "", clock(time));
  element.dateTime = new Date(time).toISOString();
  element.title = fullTime(time);
  return element;
}

function nodeOf({ kind, text }: Piece): Node | string {
  if (kind === "text") return text;
  if (kind === "mention") return make("mark", "", text);
  const link = make("a", "", text);
  link.href = hrefOf(text) ?? "";
  link.rel = "noopener noreferrer nofollow ugc";
  link.target = "_blank";
  return link;
}
