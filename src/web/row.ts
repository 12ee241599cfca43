import { button, make, nameElement } from "./dom.ts";
import type { Entry, Lead, Outgoing } from "./entries.ts";
import { hrefOf, isFewEmoji, mentions, type Piece, piecesOf } from "./pieces.ts";
import { clock, dayOf, fullTime, gapWords } from "./words.ts";

/** What a row of the list is drawn from. */
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

export interface OutgoingActions {
  retry(outgoing: Outgoing): void;
  /** Puts it back into the field. */
  edit(outgoing: Outgoing): void;
  discard(outgoing: Outgoing): void;
}

/** The row of one of your own messages, on its way. */
export function outgoingRowOf(
  parts: RowParts,
  outgoing: Outgoing,
  actions: OutgoingActions,
): HTMLLIElement {
  const row = rowOf(parts);
  row.classList.add("outgoing", outgoing.state);
  if (outgoing.held === true) row.classList.add("held");
  if (outgoing.state === "sending") {
    row.append(make("p", "progress", outgoing.held === true ? "Waiting to send" : "Sending…"));
  }
  if (outgoing.state === "failed") {
    const reason = make("span", "", `Not sent. ${outgoing.reason ?? ""}`);
    reason.dir = "auto";
    const again =
      outgoing.mustEdit === true
        ? button("Edit", () => actions.edit(outgoing))
        : button("Try again", () => actions.retry(outgoing));
    const away = button("Discard", () => actions.discard(outgoing));
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
