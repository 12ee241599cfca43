import { find } from "./dom.ts";
import { type Entry, leadOf, type Outgoing } from "./entries.ts";
import { outgoingRowOf, type OutgoingActions, rowOf } from "./row.ts";

/** The rows in the DOM. A row stays the same element until something about it changes. */
export class Rows {
  readonly #root = find("rows", HTMLElement);
  readonly #actions: OutgoingActions;
  /** Every row, and what it was drawn from. */
  readonly #drawn = new Map<Entry, { row: HTMLElement; as: string }>();
  #user: string | undefined;

  constructor(actions: OutgoingActions) {
    this.#actions = actions;
  }

  /** Redraws every row next time, with this name of yours. */
  setUser(user: string | undefined): void {
    this.#user = user;
    this.#drawn.clear();
  }

  rowOf(entry: Entry): HTMLElement | undefined {
    return this.#drawn.get(entry)?.row;
  }

  /**
   * @param before the entry above the first of these
   * @param fresh the entry that gets the mark for new messages
   */
  draw(
    entries: readonly (Entry | Outgoing)[],
    before: Entry | undefined,
    fresh: Entry | undefined,
  ): void {
    const wanted = entries.map((entry, at) => {
      return this.#row(entry, at === 0 ? before : entries[at - 1], entry === fresh);
    });
    const keep = new Set(entries);
    for (const entry of this.#drawn.keys()) if (!keep.has(entry)) this.#drawn.delete(entry);
    this.#replace(wanted);
  }

  /** The first row below this height, from the viewport's top. The very first may be redrawn. */
  firstBelow(top: number): Element | undefined {
    const all = [...this.#root.children];
    return all.find((row, at) => at > 0 && row.getBoundingClientRect().bottom > top);
  }

  #row(entry: Entry | Outgoing, before: Entry | undefined, fresh: boolean): HTMLElement {
    const lead = leadOf(before, entry);
    const as = `${lead.day}${lead.gap}${lead.head}${fresh}`;
    const old = this.#drawn.get(entry);
    if (old?.as === as) return old.row;
    const parts = { before, entry, lead, fresh, user: this.#user };
    const row = "state" in entry ? outgoingRowOf(parts, entry, this.#actions) : rowOf(parts);
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
  }
}
