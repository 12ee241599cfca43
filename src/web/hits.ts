/** Where a text has the words of a search, for people to see why it was found. */

export interface Part {
  readonly text: string;
  readonly hit: boolean;
}

const FROM = /from:("[^"]*"?|\S+)/giu;
const WORD = /([\p{L}\p{N}\p{M}]+)(\*?)/gu;
/** Scripts without spaces between words. */
const UNSPACED =
  /[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;
/** The accents that a search ignores. */
const ACCENTS = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]/g;

/** Characters before the first hit, and in all. */
const LEAD = 60;
const MOST = 400;

/** The part of a text around its first hit. */
export function excerptOf(text: string, query: string): Part[] {
  const hits = hitsIn(text, query);
  const first = hits[0]?.[0] ?? 0;
  // From the beginning of a word, if there is one.
  const spaced = text.slice(first - LEAD, first).search(/(?<=\s)\S/);
  const start = first <= LEAD + 20 ? 0 : first - (spaced > 0 ? LEAD - spaced : 0);
  const end = start + MOST;
  const parts: Part[] = [];
  let at = start;
  for (const [from, to] of hits) {
    if (from >= end) break;
    parts.push(
      { text: text.slice(at, from), hit: false },
      { text: text.slice(from, to), hit: true },
    );
    at = to;
  }
  parts.push({ text: text.slice(at, Math.max(at, end)), hit: false });
  if (start > 0) parts.unshift({ text: "…", hit: false });
  if (Math.max(at, end) < text.length) parts.push({ text: "…", hit: false });
  return parts.filter((part) => part.text !== "");
}

/** From where to where each hit goes. */
function hitsIn(text: string, query: string): [number, number][] {
  const words = folded(query.replace(FROM, " ")).plain.matchAll(WORD);
  const patterns = [...words].map(([, word = "", star]) => {
    if (UNSPACED.test(word)) return word;
    return `(?<![\\p{L}\\p{N}\\p{M}])${word}${star === "*" ? "" : "(?![\\p{L}\\p{N}\\p{M}])"}`;
  });
  if (patterns.length === 0) return [];
  const { plain, places } = folded(text);
  const found = plain.matchAll(new RegExp(patterns.join("|"), "gu"));
  return [...found].map(({ 0: { length }, index }) => [places[index]!, places[index + length]!]);
}

/** A text in lower case and without accents, and where each of its code units comes from. */
function folded(text: string): { plain: string; places: number[] } {
  let plain = "";
  let place = 0;
  const places: number[] = [];
  for (const character of text) {
    const bare = character.normalize("NFKD").replace(ACCENTS, "").toLowerCase();
    for (let n = 0; n < bare.length; n++) places.push(place);
    plain += bare;
    place += character.length;
  }
  places.push(place);
  return { plain, places };
}
