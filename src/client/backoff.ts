/** Milliseconds: the least wait, the range of the first one, and the range at most. */
const LEAST = 100;
const FIRST = 1000;
const MOST = 30_000;

/**
 * How long to wait before the next try: anywhere in a range that doubles with each try, so that
 * those who were cut off together do not come back together.
 *
 * @param tries how many have failed before
 * @param random at least 0, below 1
 * @returns milliseconds
 */
export function backoff(tries: number, random: () => number): number {
  const range = Math.min(FIRST * 2 ** tries, MOST);
  return LEAST + random() * (range - LEAST);
}
