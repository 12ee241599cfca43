/** Rules for text that the server, the client and the page share. */

/** Characters that a terminal or a browser would obey instead of showing, and lone surrogates. */
export const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/u;

/** The number of code points in a text; a lone surrogate counts as one. */
export function codePoints(text: string): number {
  let points = 0;
  for (const _ of text) points++;
  return points;
}

/** Whether a text has at most `limit` code points. */
export function fits(text: string, limit: number): boolean {
  if (text.length <= limit) return true;
  return text.length <= 2 * limit && codePoints(text) <= limit;
}

/** The key under which two names are one: their case and their spelling in NFKC do not matter. */
export function keyOf(name: string): string {
  return name.toUpperCase().toLowerCase().normalize("NFKC");
}
