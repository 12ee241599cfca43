import { eachFrame, find } from "./dom.ts";
import { type Entry, insert, type Outgoing } from "./entries.ts";
import type { Pages, Side, Stretch } from "./pages.ts";
import type { RowActions } from "./row.ts";
import { Rows } from "./rows.ts";
import { Slice } from "./slice.ts";
import { count, gapWords } from "./words.ts";

export interface ListActions extends RowActions {
  /** The latest message comes into view. */
  caughtUp(): void;
}

/** Pixels from an end at which more rows are added, and from the end at which it is followed. */
const NEAR = 800;
const FOLLOW = 40;

/**
 * The list of messages: all that are loaded in an array, some of them in the DOM. What one reads
 * stays where it is while rows come and go above and below it.
 */
export class List {
  /** Whether the latest message is in view. */
  following = true;
  /** Draws it again at the next frame. */
  readonly refresh = eachFrame(() => this.#draw());
  readonly #pages: Pages;
  readonly #actions: ListActions;
  readonly #rows: Rows;
  readonly #slice = new Slice();
  readonly #root = find("list", HTMLElement);
  readonly #beginning = find("beginning", HTMLElement);
  readonly #ending = find("ending", HTMLElement);
  readonly #above = find("above", HTMLButtonElement);
  readonly #below = find("below", HTMLButtonElement);
  #outgoing: readonly Outgoing[] = [];
  /** Messages below that have not been in view. */
  #unseen = 0;
  /** The entry with the mark for new messages. */
  #fresh: Entry | undefined;
  /** Whether what is new begins above everything that is loaded. */
  #freshFurther = false;
  /** Whether the mark was in view. */
  #freshSeen = false;
  /** The entry that a search led to. */
  #found: Entry | undefined;

  constructor(pages: Pages, actions: ListActions) {
    this.#pages = pages;
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

  add(added: readonly Entry[], { entries }: Stretch): void {
    this.refresh();
    const slice = this.#slice;
    const first = entries[slice.from];
    const last = entries[slice.to - 1];
    const latest = entries.at(-1);
    const atEnd = slice.to === entries.length;
    insert(entries, added);
    if (!this.following && entries === this.#pages.present.entries) {
      this.#unseen +=
        entries.length - 1 - (latest === undefined ? -1 : entries.lastIndexOf(latest));
    }
    if (entries !== this.#entries || first === undefined || last === undefined) return;
    slice.from = entries.lastIndexOf(first);
    slice.to = entries.lastIndexOf(last) + 1;
    if (atEnd && !this.following) slice.grow(entries.length);
  }

  /** Shows the messages on their way, below everything else. */
  setOutgoing(outgoing: readonly Outgoing[]): void {
    this.#outgoing = outgoing;
    this.refresh();
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
    this.refresh();
  }

  setUser(user: string | undefined): void {
    this.#rows.setUser(user);
    this.refresh();
  }

  toLatest(): void {
    this.#pages.goBack();
    this.following = true;
    this.#unseen = 0;
    this.#found = undefined;
    this.#slice.toEnd(this.#entries.length);
    this.#draw();
    this.#actions.caughtUp();
  }

  /** Jumps to one of the entries, which are other ones than before if `other` is true. */
  goTo(entry: Entry, other: boolean): void {
    if (other) this.#slice.reset();
    this.#found = entry;
    this.#jump(this.#entries.indexOf(entry), () => {
      const row = this.#rows.rowOf(entry);
      row?.scrollIntoView({ block: "center" });
      row?.focus({ preventScroll: true });
    });
  }

  #jump(at: number, scroll: () => void): void {
    this.following = false;
    this.#slice.reach(at, this.#entries.length);
    this.#draw(scroll);
    this.#onScroll();
  }

  get #entries(): readonly Entry[] {
    return this.#pages.shown.entries;
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

  /** @param jump goes to the right place afterwards; otherwise what is in view stays there */
  #draw(jump?: () => void): void {
    const stay = this.following ? () => this.#toBottom() : this.#rows.anchor(this.#root);
    this.#drawRows();
    (jump ?? stay)();
    this.#drawButtons();
    this.#drawMore();
  }

  #drawRows(): void {
    const entries = this.#entries;
    const slice = this.#slice;
    const pages = this.#pages;
    if (this.following) slice.follow(entries.length);
    const atEnd = slice.to === entries.length && !pages.past;
    const shown = entries.slice(slice.from, slice.to);
    const all = atEnd ? [...shown, ...this.#outgoing] : shown;
    this.#rows.draw(all, entries[slice.from - 1], { fresh: this.#fresh, found: this.#found });
    const isFirst = slice.from === 0;
    this.#beginning.textContent = isFirst ? pages.words(this.#outgoing.length > 0) : "";
    const last = entries.at(-1);
    this.#ending.textContent = atEnd && pages.gap && last !== undefined ? gapWords(last.time) : "";
  }

  #drawButtons(): void {
    const below = this.#below;
    const far = this.#rest > 1.5 * this.#root.clientHeight;
    const { past } = this.#pages;
    below.hidden = this.following || (this.#unseen === 0 && !far && !past);
    below.textContent =
      this.#unseen === 0 ? "To the latest" : `${count(this.#unseen, "new", "new")} below`;

    const above = this.#above;
    const at = this.#freshAt;
    const bottom = this.#freshRow?.getBoundingClientRect().bottom ?? -Infinity;
    const isAbove =
      at >= 0 && (at < this.#slice.from || bottom < this.#root.getBoundingClientRect().top);
    this.#freshSeen ||= at >= 0 && !isAbove;
    above.hidden = past || (!this.#freshFurther && (this.#freshSeen || !isAbove));
    above.textContent = this.#freshFurther
      ? "More new above"
      : `${count(this.#entries.length - at, "new", "new")} above`;
  }

  /** Pixels below what is in view. */
  get #rest(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** The index of the entry with the mark, or -1. */
  get #freshAt(): number {
    return this.#fresh === undefined ? -1 : this.#entries.lastIndexOf(this.#fresh);
  }

  get #freshRow(): HTMLElement | undefined {
    return this.#fresh === undefined ? undefined : this.#rows.rowOf(this.#fresh);
  }

  /** Jumps to the mark, or to the top if it is not loaded yet, which loads more. */
  #toFresh(): void {
    this.#jump(Math.max(0, this.#freshAt), () => {
      const row = this.#freshRow;
      if (row === undefined) this.#root.scrollTop = 0;
      else row.scrollIntoView({ block: "start" });
    });
  }

  #toBottom(): void {
    this.#root.scrollTop = this.#root.scrollHeight;
  }

  readonly #onScroll = (): void => {
    const was = this.following;
    const atEnd = this.#slice.to === this.#entries.length && !this.#pages.past;
    this.following = this.#rest < FOLLOW && atEnd;
    if (this.following && !was) {
      this.#unseen = 0;
      this.#actions.caughtUp();
    }
    this.#drawMore();
    this.#drawButtons();
  };

  /** Adds rows near the ends of what is in view, and loads more if there are none. */
  #drawMore(): void {
    const { length } = this.#entries;
    const slice = this.#slice;
    if (this.#root.scrollTop < NEAR) {
      if (slice.from === 0) this.#load("older");
      else if (slice.up(length, this.following)) this.refresh();
    } else if (this.#rest < NEAR && !this.following) {
      if (slice.to === length) return this.#load("newer");
      slice.down(length);
      this.refresh();
    }
  }

  #load(side: Side): void {
    if (this.#pages.available(side)) void this.#pages.load(side);
  }
}
