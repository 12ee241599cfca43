import { button, make, nameElement } from "./dom.ts";
import type { Entry, Lead, Outgoing } from "./entries.ts";
import {
  headOf,
  hrefOf,
  isFewEmoji,
  mentions,
  type Piece,
  piecesOf,
  undirected,
} from "./pieces.ts";
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
  const line = make("div", "line", ...textOf(entry, user));
  line.title = fullTime(entry.time);
  if (!lead.head) line.prepend(timeOf(entry.time));
  if (mentions(entry.text, user)) line.classList.add("mine");
  row.append(line);
  return row;
}

/** The long messages that somebody has opened, so that they stay open when their row is redrawn. */
const opened = new WeakSet<Entry>();

/** The text, and a button that opens it if it is cut. */
function textOf(entry: Entry, user: string | undefined): HTMLElement[] {
  const nodes = (text: string) => piecesOf(text, user).map(nodeOf);
  const head = opened.has(entry) ? undefined : headOf(entry.text);
  const text = make("p", "text", ...nodes(head ?? entry.text));
  text.dir = "auto";
  if (isFewEmoji(entry.text)) text.classList.add("emoji");
  if (head === undefined) return [text];
  const open = (): void => {
    opened.add(entry);
    text.replaceChildren(...nodes(entry.text));
    text.tabIndex = -1;
    text.focus({ preventScroll: true });
    more.remove();
  };
  const more = button("Show all", open);
  return [text, more];
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
  if (kind === "text") return undirected(text);
  if (kind === "mention") return make("mark", "", text);
  const link = make("a", "", text);
  link.href = hrefOf(text) ?? "";
  link.rel = "noopener noreferrer nofollow ugc";
  link.target = "_blank";
  // Isolated, so that what is around it cannot change how it reads.
  link.dir = "ltr";
  return link;
}
