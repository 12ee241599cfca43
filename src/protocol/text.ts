/** Rules for text that the server, the client and the page share. */

/** Characters that a terminal or a browser would obey instead of showing, and lone surrogates. */
export const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/u;

/**
 * Characters without ink. Most are Default_Ignorable_Code_Point (DI). The others count as symbols,
 * letters or marks; UnicodeData.txt calls them BLANK, FILLER, NULL NOTEHEAD, OBJECT REPLACEMENT
 * CHARACTER or INTERLINEAR ANNOTATION.
 */
export const INVISIBLE = /[\p{DI}\u2800\ufff9-\ufffc\u{13441}\u{13442}\u{16fe4}\u{1d159}]/u;

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

/**
 * What Unicode's confusables.txt (UTS #39) makes one with a hyphen, and the longer dashes, which a
 * fixed-width font draws alike.
 */
const DASH = /[\u02d7\u06d4\u2010-\u2015\u2043\u2212\u2796]/g;
/** What confusables.txt makes one with an apostrophe, as far as keyboards and languages use it. */
const APOSTROPHE = /[\u02b9\u02bb-\u02bd\u02c8\u2018\u2019\u201b\u2032\u2035]/g;
/** A dot above a letter that has one already, which shows no second one (UTS #39, section 5.4). */
const SECOND_DOT = /(?<=\p{Soft_Dotted}\p{M}*)\u0307/gu;

/**
 * The key under which two names are one: their case, their spelling in NFKC, the kind of their
 * dashes and apostrophes, and dots that do not show do not matter.
 *
 * @param name in NFKC, as it is shown
 */
export function keyOf(name: string): string {
  // Look-alikes first, since the case of a sigma depends on what follows it.
  return name
    .replace(DASH, "-")
    .replace(APOSTROPHE, "'")
    .replaceAll("\u0237", "j")
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replace(SECOND_DOT, "")
    .normalize("NFKC");
}
