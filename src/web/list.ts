import { eachFrame, find } from "./dom.ts";
import { type Entry, insert, leadOf, type Waiting } from "./entries.ts";
import { rowOf, waitingRowOf } from "./row.ts";
import { count, gapWords } from "./words.ts";

/**
 * The list of messages. All are kept in an array, and a window of them in the DOM, which moves as
 * one scrolls: ten thousand messages cost no more than a few hundred. What one reads stays where it
 * is while rows come and go above and below it.
 */
export interface List {
  readonly entries: readonly Entry[];
  /** Whether the latest message is in sight. */
  readonly following: boolean;
  add(fresh: readonly Entry[]): void;
  /** Draws what is on its way below everything else. */
  setWaiting(waiting: readonly Waiting[]): void;
  /**
   * Draws the mark for what is new above an entry.
   *
   * @param further whether what is new begins above everything that is there yet
   */
  setFresh(entry: Entry | undefined, further?: boolean): void;
  /** Draws a line after the last entry where something is known to be missing. */
  setGapAfter(id: number): void;
  setUser(user: string | undefined): void;
  toLatest(): void;
  /** Scrolls by screens. */
  page(screens: number): void;
}

export interface ListActions {
  /** Asks for messages before the first one, which are then added. */
  older(): void;
  /** Whether there may be some, and it is time to ask. */
  hasOlder(): boolean;
  /** What stands above the first message. */
  beginning(): string;
  retry(waiting: Waiting): void;
  edit(waiting: Waiting): void;
  discard(waiting: Waiting): void;
  /** Told when the latest message comes into sight. */
  caughtUp(): void;
}

/** Rows in the DOM at most, and how many come or go at once. */
const MOST = 300;
const STEP = 100;
/** So near to an end, in pixels, the window moves on; and so near to the last one, it is followed. */
const NEAR = 800;
const FOLLOW = 40;

export function createList(actions: ListActions): List {
  const root = find("list", HTMLElement);
  const rows = find("rows", HTMLElement);
  const beginning = find("beginning", HTMLElement);
  const ending = find("ending", HTMLElement);
  const above = find("above", HTMLButtonElement);
  const below = find("below", HTMLButtonElement);
  const entries: Entry[] = [];
  /** The rows in the DOM, and what they were drawn from. */
  const drawn = new Map<Entry, { row: HTMLElement; as: string }>();
  let waiting: readonly Waiting[] = [];
  let from = 0;
  let to = 0;
  let following = true;
  let unseen = 0;
  let user: string | undefined;
  let fresh: Entry | undefined;
  let freshFurther = false;
  /** Whether the mark was in sight, so that one knows of it. */
  let freshSeen = false;
  let gapAfter: number | undefined;
  const paint = eachFrame(() => keepingPlace(draw));

  /** Changes the rows, and keeps what is in sight where it is. */
  function keepingPlace(change: () => void): void {
    const anchor = following ? undefined : firstInSight();
    const top = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (following) root.scrollTop = root.scrollHeight;
    else if (anchor?.isConnected) root.scrollTop += anchor.getBoundingClientRect().top - top;
    showBelow();
    showAbove();
    if (root.scrollTop < NEAR) up();
  }

  /** The first of them may be drawn anew, with another lead, so it is no hold. */
  function firstInSight(): Element | undefined {
    const { top } = root.getBoundingClientRect();
    const all = [...rows.children];
    return all.find((row, at) => at > 0 && row.getBoundingClientRect().bottom > top);
  }

  function draw(): void {
    if (following) {
      to = entries.length;
      from = Math.max(from, to - MOST);
    }
    const wanted: HTMLElement[] = [];
    const keep = new Set<Entry>();
    for (let at = from; at < to; at++) {
      const entry = entries[at]!;
      keep.add(entry);
      wanted.push(drawnRow(entry, entries[at - 1]));
    }
    for (const [at, entry] of (to === entries.length ? waiting : []).entries()) {
      keep.add(entry);
      wanted.push(drawnRow(entry, waiting[at - 1] ?? entries.at(-1)));
    }
    for (const entry of drawn.keys()) if (!keep.has(entry)) drawn.delete(entry);
    replaceRows(wanted);
    beginning.textContent = from === 0 ? actions.beginning() : "";
    const last = entries.at(-1);
    const gap = last !== undefined && last.id === gapAfter && to === entries.length;
    ending.textContent = gap ? gapWords(last.time) : "";
  }

  function drawnRow(entry: Entry | Waiting, before: Entry | undefined): HTMLElement {
    const lead = leadOf(before, entry);
    const parts = { before, entry, lead, fresh: entry === fresh, user };
    const as = `${lead.day}${lead.gap}${lead.head}${parts.fresh}`;
    const old = drawn.get(entry);
    if (old?.as === as) return old.row;
    const row = "state" in entry ? waitingRowOf(parts, entry, actions) : rowOf(parts);
    drawn.set(entry, { row, as });
    return row;
  }

  /** Takes away what is not wanted, then puts in what is missing: what stays is not touched. */
  function replaceRows(wanted: HTMLElement[]): void {
    const keep = new Set<Element>(wanted);
    for (const row of [...rows.children]) if (!keep.has(row)) row.remove();
    let at = rows.firstElementChild;
    for (const row of wanted) {
      if (row === at) at = at.nextElementSibling;
      else rows.insertBefore(row, at);
    }
  }

  function showBelow(): void {
    const far = root.scrollHeight - root.scrollTop - root.clientHeight > 1.5 * root.clientHeight;
    below.hidden = following || (unseen === 0 && !far);
    below.textContent = unseen === 0 ? "To the latest" : `${count(unseen, "new", "new")} below`;
  }

  function showAbove(): void {
    const at = fresh === undefined ? -1 : entries.lastIndexOf(fresh);
    const row = fresh === undefined ? undefined : drawn.get(fresh)?.row;
    const bottom = row?.getBoundingClientRect().bottom ?? -Infinity;
    const isAbove = at >= 0 && (at < from || bottom < root.getBoundingClientRect().top);
    freshSeen ||= at >= 0 && !isAbove;
    above.hidden = !freshFurther && (freshSeen || !isAbove);
    above.textContent = freshFurther
      ? "More new above"
      : `${count(entries.length - at, "new", "new")} above`;
  }

  /** To the mark, or to the top where it is not loaded yet, which loads more. */
  function toFresh(): void {
    const at = fresh === undefined ? 0 : entries.lastIndexOf(fresh);
    following = false;
    if (at < from) {
      from = Math.max(0, at - STEP);
      to = Math.min(entries.length, from + MOST);
    }
    keepingPlace(draw);
    const row = fresh === undefined ? undefined : drawn.get(fresh)?.row;
    if (row === undefined) root.scrollTop = 0;
    else row.scrollIntoView({ block: "start" });
  }

  function onScroll(): void {
    const rest = root.scrollHeight - root.scrollTop - root.clientHeight;
    const was = following;
    following = rest < FOLLOW && to === entries.length;
    if (following && !was) {
      unseen = 0;
      actions.caughtUp();
    }
    if (root.scrollTop < NEAR) up();
    else if (rest < NEAR && to < entries.length) down();
    showBelow();
    showAbove();
  }

  function up(): void {
    if (from === 0) {
      if (actions.hasOlder()) actions.older();
      return;
    }
    const next = Math.max(0, from - STEP);
    // More rows than there may be at the latest message: they would go again at once.
    if (following && entries.length - next > MOST) return;
    from = next;
    to = Math.min(to, from + MOST);
    paint();
  }

  function down(): void {
    to = Math.min(entries.length, to + STEP);
    from = Math.max(from, to - MOST);
    paint();
  }

  function toLatest(): void {
    following = true;
    unseen = 0;
    from = Math.max(0, entries.length - MOST);
    keepingPlace(draw);
    actions.caughtUp();
  }

  root.addEventListener("scroll", eachFrame(onScroll), { passive: true });
  above.addEventListener("click", () => {
    toFresh();
    root.focus({ preventScroll: true });
  });
  below.addEventListener("click", () => {
    toLatest();
    root.focus({ preventScroll: true });
  });
  const stay = new ResizeObserver(() => {
    if (following) root.scrollTop = root.scrollHeight;
  });
  stay.observe(root);
  stay.observe(rows);

  return {
    entries,
    get following() {
      return following;
    },
    add(added) {
      const first = entries[from];
      const last = entries[to - 1];
      const newest = entries.at(-1);
      const atEnd = to === entries.length;
      insert(entries, added);
      if (first !== undefined && last !== undefined) {
        from = entries.lastIndexOf(first);
        to = entries.lastIndexOf(last) + 1;
        if (!following) unseen += entries.length - 1 - entries.lastIndexOf(newest ?? last);
        if (!following && atEnd) {
          to = Math.min(entries.length, Math.max(to, from + MOST));
        }
      }
      paint();
    },
    setWaiting(next) {
      waiting = next;
      paint();
    },
    setFresh(entry, further = false) {
      if (entry !== fresh) freshSeen = false;
      fresh = entry;
      freshFurther = further;
      paint();
    },
    setGapAfter(id) {
      gapAfter = id;
      paint();
    },
    setUser(next) {
      user = next;
      drawn.clear();
      paint();
    },
    toLatest,
    page(screens) {
      root.scrollBy({ top: screens * root.clientHeight * 0.9 });
    },
  };
}
