/** Rows in the DOM at most, and how many come or go at once. */
const MOST = 300;
const STEP = 100;

/**
 * Which entries have rows in the DOM: from `from` to `to`, without the latter. It moves as one
 * scrolls, so ten thousand messages cost no more than a few hundred. With a row for each of them
 * and `content-visibility: auto`, a message took five times as long to appear, scrolling took
 * eleven times as long, and what one read jumped.
 */
export class Slice {
  from = 0;
  to = 0;

  /** Includes the latest entry. */
  follow(length: number): void {
    this.to = length;
    this.from = Math.max(this.from, length - MOST);
  }

  /** Jumps to the latest entries. */
  toEnd(length: number): void {
    this.from = Math.max(0, length - MOST);
    this.to = length;
  }

  /** Jumps to an entry unless it has a row. */
  reach(at: number, length: number): void {
    if (at >= this.from && at < this.to) return;
    this.from = Math.max(0, at - STEP);
    this.to = Math.min(length, this.from + MOST);
  }

  /** Other entries are shown from now on. */
  reset(): void {
    this.from = this.to = 0;
  }

  /** @returns whether it moved */
  up(length: number, following: boolean): boolean {
    const from = Math.max(0, this.from - STEP);
    // More rows than there may be at the latest message: they would go again at once.
    if (following && length - from > MOST) return false;
    this.from = from;
    this.to = Math.min(this.to, from + MOST);
    return true;
  }

  down(length: number): void {
    this.to = Math.min(length, this.to + STEP);
    this.from = Math.max(this.from, this.to - MOST);
  }

  /** Shows entries that were added after the last row, as far as they fit. */
  grow(length: number): void {
    this.to = Math.min(length, Math.max(this.to, this.from + MOST));
  }
}
