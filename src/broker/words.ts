import { REMOVED } from "../protocol/encode.ts";
import { NAME_LIMIT } from "../protocol/limits.ts";
import { fits, keyOf } from "../protocol/text.ts";

/**
 * Searching: what somebody typed, and the words that it is found in. Words are in lower case and
 * without accents. Where a script has no spaces between words, pairs of characters stand for them.
 */

/** A search. A message is found if it has all of this. */
export interface Search {
  readonly phrases: readonly Phrase[];
  /** The key of the author's name; any if undefined. */
  readonly from: string | undefined;
}

/** Words in a row. */
export interface Phrase {
  readonly words: readonly string[];
  /** Whether the last word may go on. */
  readonly open: boolean;
}

/** Longest word in UTF-16 code units, and the most phrases that count. */
const WORD_LIMIT = 64;
const PHRASE_LIMIT = 10;

/** The accents of Latin, Greek and Cyrillic. The marks of other scripts make other words. */
const ACCENTS = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]/g;
/** More marks than any word has: sorting them takes quadratic time. */
const STACKED = /(\p{M}{7})\p{M}+/gu;
/** What has no accents, and spaces between words. */
const ASCII = /^[\x00-\x7f]*$/;
const WORD = /[\p{L}\p{N}\p{M}]+/gu;
/** Characters of scripts without spaces, and where such a run begins or ends. */
const UNSPACED =
  /[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;
const RUN = new RegExp(`(${UNSPACED.source}+)`, "u");

/** A text without what makes no difference, in lower case. */
function folded(text: string): string {
  const lower = text.toLowerCase();
  if (ASCII.test(lower)) return lower;
  const plain = lower.replace(STACKED, "$1").normalize("NFKD").replace(ACCENTS, "");
  return plain.toLowerCase().normalize("NFC");
}

/** The words of a text, in their order. */
export function wordsOf(text: string): string[] {
  return splitWords(folded(text));
}

function splitWords(plain: string): string[] {
  if (ASCII.test(plain)) return (plain.match(/[a-z0-9]+/g) ?? []).map(cut);
  const words: string[] = [];
  for (const word of plain.match(WORD) ?? []) {
    if (!UNSPACED.test(word)) words.push(cut(word));
    else for (const part of word.split(RUN)) if (part !== "") words.push(...partsOf(part));
  }
  return words;
}

/** @param part of one kind of script */
function partsOf(part: string): string[] {
  return UNSPACED.test(part) ? pairsOf(part) : [cut(part)];
}

function cut(word: string): string {
  return word.slice(0, WORD_LIMIT);
}

/** Each character with the next; the last stands alone, so that every character begins a word. */
function pairsOf(run: string): string[] {
  const characters = [...run];
  return characters.map((character, at) => character + (characters[at + 1] ?? ""));
}

/** What is looked for: words, "phrases in quotes", beginnings* and from:name. */
const TERM = /from:(?:"([^"]*)"?|(\S+))|"([^"]*)"?|([^\s"]+)/giu;

/** Understands whatever somebody types. */
export function searchOf(query: string): Search {
  const phrases: Phrase[] = [];
  let from: string | undefined;
  for (const [, quotedName, bareName, quoted, bare] of query.matchAll(TERM)) {
    const name = quotedName ?? bareName;
    if (name !== undefined) from = fits(name, NAME_LIMIT) ? keyOf(name.normalize("NFKC")) : "";
    else phrases.push(phraseOf(quoted ?? bare ?? ""));
  }
  return { phrases: phrases.filter(({ words }) => words.length > 0).slice(0, PHRASE_LIMIT), from };
}

function phraseOf(text: string): Phrase {
  const words = wordsOf(text);
  const last = words.at(-1) ?? "";
  const unspaced = UNSPACED.test(last);
  // What follows the last character of a run is not known, so its pair goes without it.
  const spare = unspaced && [...last].length === 1;
  if (spare && words.length > 1 && words.at(-2)!.endsWith(last)) words.pop();
  return { words, open: spare || /\*["\s]*$/.test(text) };
}

/** Whether there is anything to look for. */
export function isEmpty({ phrases, from }: Search): boolean {
  return phrases.length === 0 && from === undefined;
}

/**
 * Whether a message is found.
 *
 * @param words of its text
 * @param user the key of its author's name
 */
export function matches(
  { phrases, from }: Search,
  words: readonly string[],
  user: string,
): boolean {
  if (from !== undefined && from !== user) return false;
  return phrases.every((phrase) => words.some((_, at) => standsAt(phrase, words, at)));
}

function standsAt({ words, open }: Phrase, all: readonly string[], at: number): boolean {
  return words.every((word, n) => {
    const found = all[at + n];
    return found === word || (open && n === words.length - 1 && found?.startsWith(word) === true);
  });
}

/** Whether a message is found. `text` and `user` are JSON string literals. */
export function finds(search: Search, { text, user }: { text: string; user: string }): boolean {
  if (text === REMOVED) return false;
  const plain = folded(JSON.parse(text) as string);
  // Most texts are not found, and this tells sooner.
  const may = search.phrases.every(({ words }) => words.every((word) => plain.includes(word)));
  return may && matches(search, splitWords(plain), keyOf(JSON.parse(user) as string));
}
