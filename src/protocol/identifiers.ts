/**
 * The rules for channel ids and for names. Pure functions over strings.
 *
 * Sources: RFC 3986 (percent-encoding), UAX #15 (NFC, NFKC), UTS #39 section 5.2 (restriction
 * levels; the script sets below are its "moderately restrictive"), UAX #31 tables 5 and 7 (which
 * scripts are recommended or in limited use).
 */

/** Longest channel id, in code points. */
export const CHANNEL_LIMIT = 128;
/** Longest name, in code points. */
export const NAME_LIMIT = 32;

/** Why a path is no channel. */
export type PathFault = "empty" | "encoding" | "characters" | "length" | "reserved";

/** A channel id that was checked, or why the path has none. */
export type ChannelId = { readonly id: string } | { readonly fault: PathFault };

/**
 * UTF-16 code units of which NFC or NFKC can make one code point: four characters of two units each
 * (UAX #15, section 9). What is longer can not fit once it is normalized, and must not be: the marks
 * of a long text are sorted in quadratic time.
 */
const UNITS_MOST = 8;

const UNFIT_FOR_CHANNEL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u;
/** More marks than any language has on one letter (UAX #15, section 13: Stream-Safe text). */
const TOO_MANY_MARKS = /\p{M}{31}/u;

/**
 * The channel id of a URL's path: without the leading slash and one trailing slash,
 * percent-decoded as UTF-8 and in NFC, at most {@link CHANNEL_LIMIT} code points.
 *
 * @param pathname as in `URL.pathname`, still percent-encoded
 */
export function channelOfPath(pathname: string): ChannelId {
  let id: string;
  try {
    id = decodeURIComponent(pathname.slice(1));
  } catch {
    return { fault: "encoding" };
  }
  if (id.length > UNITS_MOST * (CHANNEL_LIMIT + 1)) return { fault: "length" };
  if (TOO_MANY_MARKS.test(id)) return { fault: "characters" };
  id = id.normalize("NFC");
  if (id.endsWith("/")) id = id.slice(0, -1);
  if (id === "") return { fault: "empty" };
  if (id === "-" || id.startsWith("-/")) return { fault: "reserved" };
  if (UNFIT_FOR_CHANNEL.test(id)) return { fault: "characters" };
  if (!fits(id, CHANNEL_LIMIT)) return { fault: "length" };
  return { id };
}

/** A name that was checked: how it shows, and the key under which two names are one. */
export interface Name {
  readonly shown: string;
  readonly key: string;
}

const VARIATION_SELECTOR = /\p{Variation_Selector}/gu;
const UNFIT_FOR_NAME = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** Every one of these may stand beside Latin in one name. */
const WITH_LATIN = [
  ["Han", "Hiragana", "Katakana"],
  ["Han", "Bopomofo"],
  ["Han", "Hangul"],
  ...(
    "Arabic Armenian Bengali Devanagari Ethiopic Georgian Gujarati Gurmukhi Hebrew Kannada Khmer " +
    "Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan"
  )
    .split(" ")
    .map((script) => [script]),
];

/** Each of these only by itself: look-alikes of Latin, and the scripts in limited use. */
const ALONE = (
  "Cyrillic Greek Cherokee Adlam Balinese Bamum Batak Canadian_Aboriginal Chakma Cham " +
  "Hanifi_Rohingya Javanese Kayah_Li Lepcha Limbu Lisu Mandaic Meetei_Mayek Miao Mongolian " +
  "New_Tai_Lue Newa Nko Nyiakeng_Puachue_Hmong Ol_Chiki Osage Saurashtra Sundanese Syloti_Nagri " +
  "Syriac Tai_Le Tai_Tham Tai_Viet Tifinagh Vai Wancho Yi"
).split(" ");

const LATIN = onlyScripts(["Latin"]);
const OTHER_SCRIPTS = [
  ...WITH_LATIN.map((scripts) => onlyScripts(["Latin", ...scripts])),
  ...ALONE.map((script) => onlyScripts([script])),
];

function onlyScripts(scripts: string[]): RegExp {
  const sets = ["Common", "Inherited", ...scripts].map((script) => `\\p{scx=${script}}`);
  return new RegExp(`^[${sets.join("")}]*$`, "u");
}

/**
 * The name that a client asks for, in NFKC, without variation selectors and outer spaces; or
 * undefined where it is none: empty, over {@link NAME_LIMIT} code points, with nothing visible or
 * with control, bidi or zero-width characters, or in scripts that look alike.
 */
export function nameOf(wanted: string): Name | undefined {
  const bare = trimSpaces(wanted.replace(VARIATION_SELECTOR, ""));
  if (bare.length > UNITS_MOST * NAME_LIMIT) return;
  const shown = trimSpaces(bare.normalize("NFKC"));
  if (!fits(shown, NAME_LIMIT) || UNFIT_FOR_NAME.test(shown) || !VISIBLE.test(shown)) return;
  if (!LATIN.test(shown) && !OTHER_SCRIPTS.some((scripts) => scripts.test(shown))) return;
  const key = shown.toUpperCase().toLowerCase().normalize("NFKC");
  // One string in memory where they are the same.
  return { shown, key: key === shown ? shown : key };
}

/** What is a space in NFKC: a tab or a line break at an end stays, and is refused as a control. */
const SPACE = /[ \u00a0\u2000-\u200a\u202f\u205f\u3000]/;

function trimSpaces(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text[start]!)) start++;
  while (end > start && SPACE.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Whether a text has at most `limit` code points; a lone surrogate counts as one. */
export function fits(text: string, limit: number): boolean {
  if (text.length <= limit) return true;
  if (text.length > 2 * limit) return false;
  let points = 0;
  for (const _ of text) if (++points > limit) return false;
  return true;
}
