import { find } from "./dom.ts";
import { type Entry, leadOf, type Outgoing } from "./entries.ts";
import { outgoingRowOf, type RowActions, rowOf } from "./row.ts";

/** The entries that are drawn in a special way. */
export interface Marks {
  /** What is new begins with it. */
  readonly fresh: Entry | undefined;
  /** A search led to it. */
  readonly found: Entry | undefined;
}

/** The rows in the DOM. A row stays the same element until something about it changes. */
export class Rows {
  readonly #root = find("rows", HTMLElement);
  readonly #actions: RowActions;
  /** Every row, and what it was drawn from. */
  readonly #drawn = new Map<Entry, { row: HTMLElement; as: string }>();
  #user: string | undefined;

  constructor(actions: RowActions) {
    this.#actions = actions;
    this.#root.addEventListener("keydown", (event) => this.#onKey(event));
    // Where nothing hovers, a tap shows what one can do with a message.
    this.#root.addEventListener("click", ({ target }) => {
      for (const row of this.#root.querySelectorAll(".chosen")) row.classList.remove("chosen");
      if (target instanceof Element) target.closest(".row")?.classList.add("chosen");
    });
  }

  /** Redraws every row next time, with this name of yours. */
  setUser(user: string | undefined): void {
    this.#user = user;
    this.#drawn.clear();
  }

  rowOf(entry: Entry): HTMLElement | undefined {
    return this.#drawn.get(entry)?.row;
  }

  /** @param before the entry above the first of these */
  draw(entries: readonly (Entry | Outgoing)[], before: Entry | undefined, marks: Marks): void {
    const focused = document.activeElement?.closest("#rows > li");
    const [chosen] = [...this.#drawn].find(([, { row }]) => row === focused) ?? [];
    const wanted = entries.map((entry, at) => {
      return this.#row(entry, at === 0 ? before : entries[at - 1], marks);
    });
    const keep = new Set(entries);
    for (const entry of this.#drawn.keys()) if (!keep.has(entry)) this.#drawn.delete(entry);
    this.#replace(wanted);
    // The keyboard goes on in the row, even if that was drawn again.
    const row = chosen && this.rowOf(chosen);
    if (row !== undefined && focused?.isConnected === false) {
      (row.querySelector("button") ?? row).focus({ preventScroll: true });
    }
  }

  /** @returns a function that scrolls what is in view now back to where it is */
  anchor(list: HTMLElement): () => void {
    const top = list.getBoundingClientRect().top;
    // The very first row may be drawn again.
    const rows = [...this.#root.children].slice(1);
    const row = rows.find((one) => one.getBoundingClientRect().bottom > top);
    const before = row?.getBoundingClientRect().top ?? 0;
    return () => {
      if (row?.isConnected) list.scrollTop += row.getBoundingClientRect().top - before;
    };
  }

  #row(entry: Entry | Outgoing, before: Entry | undefined, marks: Marks): HTMLElement {
    const lead = leadOf(before, entry);
    const [fresh, found] = [entry === marks.fresh, entry === marks.found];
    const fate = this.#actions.fateOf(entry);
    const flags = [lead.day, lead.gap, lead.head, fresh, found, entry.removed];
    const as = `${flags.join()}${fate?.state}${fate?.reason}`;
    const old = this.#drawn.get(entry);
    if (old?.as === as) return old.row;
    const parts = { before, entry, lead, fresh, found, fate, user: this.#user };
    const row =
      "state" in entry ? outgoingRowOf(parts, entry, this.#actions) : rowOf(parts, this.#actions);
    this.#drawn.set(entry, { row, as });
    return row;
  }

  /** Removes what is not wanted, then inserts what is missing: what stays is not touched. */
  #replace(wanted: HTMLElement[]): void {
    const keep = new Set<Element>(wanted);
    for (const row of [...this.#root.children]) if (!keep.has(row)) row.remove();
    let at = this.#root.firstElementChild;
    for (const row of wanted) {
      if (row === at) at = at.nextElementSibling;
      else this.#root.insertBefore(row, at);
    }
    this.#deletes.at(-1)?.removeAttribute("tabindex");
  }

  get #deletes(): HTMLElement[] {
    return [...this.#root.querySelectorAll<HTMLElement>(".delete")];
  }

  /** The Tab key reaches the last message that one can delete, and the arrow keys the others. */
  #onKey(event: KeyboardEvent): void {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const all = this.#deletes;
    const at = all.findIndex((one) => one === event.target);
    if (step === undefined || at === -1) return;
    event.preventDefault();
    all[at + step]?.focus();
  }
}
