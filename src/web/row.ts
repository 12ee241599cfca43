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
import type { Fate } from "./removals.ts";
import { clock, dayOf, fullTime, gapWords } from "./words.ts";

/** What a row of the list is drawn from. */
export interface RowParts {
  readonly before: Entry | undefined;
  readonly entry: Entry;
  readonly lead: Lead;
  /** Whether what is new begins with it. */
  readonly fresh: boolean;
  /** Whether a search led to it. */
  readonly found: boolean;
  /** What becomes of it, if one deletes it. */
  readonly fate: Fate | undefined;
  /** One's own name. */
  readonly user: string | undefined;
}

/** What one can do with a message. */
export interface RowActions extends OutgoingActions {
  /** What becomes of a message, if one deletes it. */
  fateOf(entry: Entry): Fate | undefined;
  remove(id: number): void;
  undo(): void;
}

export function rowOf(parts: RowParts, actions: RowActions): HTMLLIElement {
  const { before, entry, lead, fresh, found, fate, user } = parts;
  const row = make("li", "row");
  row.tabIndex = -1;
  row.classList.toggle("found", found);
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
  const undo = fate?.state === "undo";
  const gone = entry.removed === true || fate?.state === "gone";
  const line = make("div", "line", ...(undo || gone ? [] : textOf(entry, user)));
  if (gone) line.append(make("p", "text removed", "Message deleted"));
  else if (undo) line.append(make("p", "text removed", "Deleted.", button("Undo", actions.undo)));
  else if (isOwn(entry, user)) line.append(deleteOf(entry, actions));
  if (fate?.state === "kept" && !gone) line.append(make("p", "hint", fate.reason ?? ""));
  line.title = fullTime(entry.time);
  if (!lead.head) line.prepend(timeOf(entry.time));
  if (mentions(entry.text, user)) line.classList.add("mine");
  row.append(line);
  return row;
}

/** Whether one said it, as far as the page can tell: the server decides. */
function isOwn({ id, own, user }: Entry, name: string | undefined): boolean {
  return id !== undefined && (own === true || user === name);
}

function deleteOf({ id = 0, text }: Entry, { remove }: RowActions): HTMLElement {
  const element = button("Delete", () => remove(id), "delete");
  element.setAttribute("aria-label", `Delete: ${text.slice(0, 40)}`);
  element.tabIndex = -1;
  return element;
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
  actions: RowActions,
): HTMLLIElement {
  const row = rowOf(parts, actions);
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
