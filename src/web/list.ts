import { eachFrame, find } from "./dom.ts";
import { type Entry, insert, type Outgoing } from "./entries.ts";
import type { OutgoingActions } from "./row.ts";
import { Rows } from "./rows.ts";
import { Slice } from "./slice.ts";
import { count, gapWords } from "./words.ts";

export interface ListActions extends OutgoingActions {
  /** Asks for messages before the first one, which are then added. */
  older(): void;
  /** Whether there may be some, and it is time to ask. */
  hasOlder(): boolean;
  /** What stands above the first message. */
  beginning(): string;
  /** The latest message comes into view. */
  caughtUp(): void;
}

/** Pixels from an end at which more rows are added, and from the end at which it is followed. */
const NEAR = 800;
const FOLLOW = 40;

/**
 * The list of messages: all of them in an array, some of them in the DOM. What one reads stays where
 * it is while rows come and go above and below it.
 */
export class List {
  readonly entries: Entry[] = [];
  /** Whether the latest message is in view. */
  following = true;
  readonly #actions: ListActions;
  readonly #rows: Rows;
  readonly #slice = new Slice();
  readonly #root = find("list", HTMLElement);
  readonly #beginning = find("beginning", HTMLElement);
  readonly #ending = find("ending", HTMLElement);
  readonly #above = find("above", HTMLButtonElement);
  readonly #below = find("below", HTMLButtonElement);
  readonly #paint = eachFrame(() => this.#draw());
  #outgoing: readonly Outgoing[] = [];
  /** Messages below that have not been in view. */
  #unseen = 0;
  /** The entry with the mark for new messages. */
  #fresh: Entry | undefined;
  /** Whether what is new begins above everything that is loaded. */
  #freshFurther = false;
  /** Whether the mark was in view. */
  #freshSeen = false;
  #gapAfter: number | undefined;

  constructor(actions: ListActions) {
    this.#actions = actions;
    this.#rows = new Rows(actions);
    const look = eachFrame(this.#onScroll);
    this.#root.addEventListener("scroll", look, { passive: true });
    // A click can open a long message, which is then read from where it was cut.
    this.#root.addEventListener("click", look);
    this.#bind(this.#above, () => this.#toFresh());
    this.#bind(this.#below, () => this.toLatest());
    const stay = new ResizeObserver(() => {
      if (this.following) this.#toBottom();
    });
    stay.observe(this.#root);
    stay.observe(find("rows", HTMLElement));
  }

  add(added: readonly Entry[]): void {
    const { entries } = this;
    const slice = this.#slice;
    const first = entries[slice.from];
    const last = entries[slice.to - 1];
    const newest = entries.at(-1);
    const atEnd = slice.to === entries.length;
    insert(entries, added);
    if (first !== undefined && last !== undefined) {
      slice.from = entries.lastIndexOf(first);
      slice.to = entries.lastIndexOf(last) + 1;
      if (!this.following) {
        this.#unseen += entries.length - 1 - entries.lastIndexOf(newest ?? last);
        if (atEnd) slice.grow(entries.length);
      }
    }
    this.#paint();
  }

  /** Shows the messages on their way, below everything else. */
  setOutgoing(outgoing: readonly Outgoing[]): void {
    this.#outgoing = outgoing;
    this.#paint();
  }

  /**
   * Shows the mark for new messages above an entry.
   *
   * @param further whether what is new begins above everything that is loaded
   */
  setFresh(entry: Entry | undefined, further = false): void {
    if (entry !== this.#fresh) this.#freshSeen = false;
    this.#fresh = entry;
    this.#freshFurther = further;
    this.#paint();
  }

  /** Shows that messages are missing after the last entry. */
  setGapAfter(id: number): void {
    this.#gapAfter = id;
    this.#paint();
  }

  setUser(user: string | undefined): void {
    this.#rows.setUser(user);
    this.#paint();
  }

  toLatest(): void {
    this.following = true;
    this.#unseen = 0;
    this.#slice.toEnd(this.entries.length);
    this.#draw();
    this.#actions.caughtUp();
  }

  /** Scrolls by screens. */
  page(screens: number): void {
    this.#root.scrollBy({ top: screens * this.#root.clientHeight * 0.9 });
  }

  #bind(button: HTMLElement, go: () => void): void {
    button.addEventListener("click", () => {
      go();
      this.#root.focus({ preventScroll: true });
    });
  }

  /** Draws the rows, and keeps what is in view where it is. */
  #draw(): void {
    const root = this.#root;
    const top = root.getBoundingClientRect().top;
    const anchor = this.following ? undefined : this.#rows.firstBelow(top);
    const before = anchor?.getBoundingClientRect().top ?? 0;
    this.#drawRows();
    if (this.following) this.#toBottom();
    else if (anchor?.isConnected) root.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#drawButtons();
    if (root.scrollTop < NEAR) this.#up();
  }

  #drawRows(): void {
    const { entries } = this;
    const slice = this.#slice;
    if (this.following) slice.follow(entries.length);
    const atEnd = slice.to === entries.length;
    const shown = entries.slice(slice.from, slice.to);
    const all = atEnd ? [...shown, ...this.#outgoing] : shown;
    this.#rows.draw(all, entries[slice.from - 1], this.#fresh);
    this.#beginning.textContent = slice.from === 0 ? this.#actions.beginning() : "";
    const last = entries.at(-1);
    const gap = atEnd && last !== undefined && last.id === this.#gapAfter;
    this.#ending.textContent = gap ? gapWords(last.time) : "";
  }

  #drawButtons(): void {
    const below = this.#below;
    const far = this.#rest > 1.5 * this.#root.clientHeight;
    below.hidden = this.following || (this.#unseen === 0 && !far);
    below.textContent =
      this.#unseen === 0 ? "To the latest" : `${count(this.#unseen, "new", "new")} below`;

    const above = this.#above;
    const at = this.#freshAt;
    const bottom = this.#freshRow?.getBoundingClientRect().bottom ?? -Infinity;
    const isAbove =
      at >= 0 && (at < this.#slice.from || bottom < this.#root.getBoundingClientRect().top);
    this.#freshSeen ||= at >= 0 && !isAbove;
    above.hidden = !this.#freshFurther && (this.#freshSeen || !isAbove);
    above.textContent = this.#freshFurther
      ? "More new above"
      : `${count(this.entries.length - at, "new", "new")} above`;
  }

  /** Pixels below what is in view. */
  get #rest(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** The index of the entry with the mark, or -1. */
  get #freshAt(): number {
    return this.#fresh === undefined ? -1 : this.entries.lastIndexOf(this.#fresh);
  }

  get #freshRow(): HTMLElement | undefined {
    return this.#fresh === undefined ? undefined : this.#rows.rowOf(this.#fresh);
  }

  /** Jumps to the mark, or to the top if it is not loaded yet, which loads more. */
  #toFresh(): void {
    this.following = false;
    this.#slice.reach(Math.max(0, this.#freshAt), this.entries.length);
    this.#draw();
    const row = this.#freshRow;
    if (row === undefined) this.#root.scrollTop = 0;
    else row.scrollIntoView({ block: "start" });
  }

  #toBottom(): void {
    this.#root.scrollTop = this.#root.scrollHeight;
  }

  readonly #onScroll = (): void => {
    const rest = this.#rest;
    const was = this.following;
    const atEnd = this.#slice.to === this.entries.length;
    this.following = rest < FOLLOW && atEnd;
    if (this.following && !was) {
      this.#unseen = 0;
      this.#actions.caughtUp();
    }
    if (this.#root.scrollTop < NEAR) this.#up();
    else if (rest < NEAR && !atEnd) {
      this.#slice.down(this.entries.length);
      this.#paint();
    }
    this.#drawButtons();
  };

  #up(): void {
    if (this.#slice.from > 0) {
      if (this.#slice.up(this.entries.length, this.following)) this.#paint();
    } else if (this.#actions.hasOlder()) this.#actions.older();
  }
}
