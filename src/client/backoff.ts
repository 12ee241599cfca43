/** Milliseconds: the shortest wait, the first range, and the largest range. */
const LEAST = 100;
const FIRST = 1000;
const MOST = 30_000;

/**
 * How long to wait before the next attempt: anywhere in a range that doubles with each attempt, so
 * that clients that were disconnected together do not return together.
 *
 * @param tries how many attempts have failed
 * @param random at least 0, below 1
 * @returns milliseconds
 */
export function backoff(tries: number, random: () => number): number {
  const range = Math.min(FIRST * 2 ** tries, MOST);
  return LEAST + random() * (range - LEAST);
}
