import { NAME_LIMIT } from "./limits.ts";
import { fits, INVISIBLE, keyOf } from "./text.ts";

/**
 * The rules for names. Pure functions over strings.
 *
 * Sources: UAX #15 (NFKC), UTS #39 section 5.2 (restriction levels; the script sets below are its
 * "moderately restrictive"), UAX #31 tables 5 and 7 (which scripts are recommended or in limited
 * use).
 */

/** A valid name: how it is shown, and the key under which two names are one. */
export interface Name {
  readonly shown: string;
  readonly key: string;
}

/** UTF-16 code units from which NFKC can make one code point, at most (UAX #15, section 9). */
const MAX_UNITS = 8;
const VARIATION_SELECTOR = /\p{Variation_Selector}/gu;
const ASCII = /^[ -~]+$/;
const UNFIT_FOR_NAME = /[\p{C}\p{Zl}\p{Zp}]/u;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;
/** A mark at the start, one of a script on a letter of another, and the same mark twice. */
const MISPLACED_MARK =
  /^\p{M}|[\p{scx=Latin}\p{scx=Common}]\p{sc=Inherited}*[\p{M}--[\p{sc=Inherited}\p{sc=Common}]]|(\p{Mn}|\p{Me})\1/v;

/** Each of these may be mixed with Latin in one name. */
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

/** Each of these only alone: look-alikes of Latin, and the scripts in limited use. */
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
 * The name that a client asks for, in NFKC, without variation selectors and outer spaces and with
 * one space for each run of them; or undefined if it is not valid: empty, over {@link NAME_LIMIT}
 * code points, nothing visible, control, bidi or invisible characters, combining marks where no
 * language has them, or a mix of scripts that look alike.
 */
export function nameOf(wanted: string): Name | undefined {
  const bare = singleSpaces(wanted.replace(VARIATION_SELECTOR, ""));
  if (bare.length > MAX_UNITS * NAME_LIMIT) return undefined;
  const shown = singleSpaces(bare.normalize("NFKC"));
  // Most names are ASCII, which no rule but the length concerns.
  if (!fits(shown, NAME_LIMIT) || !(ASCII.test(shown) || isShowable(shown))) return undefined;
  const key = keyOf(shown);
  // One string in memory if they are the same.
  return { shown, key: key === shown ? shown : key };
}

/** @param text in NFKC */
function isShowable(text: string): boolean {
  if (!VISIBLE.test(text) || UNFIT_FOR_NAME.test(text) || INVISIBLE.test(text)) return false;
  if (MISPLACED_MARK.test(text)) return false;
  return LATIN.test(text) || OTHER_SCRIPTS.some((scripts) => scripts.test(text));
}

/** Spaces in NFKC. A tab or a line break stays, and is rejected as a control character. */
const SPACES = /[ \u00a0\u2000-\u200a\u202f\u205f\u3000]+/g;

/** Without outer spaces, and with one U+0020 for each run of others. */
function singleSpaces(text: string): string {
  return text.replace(SPACES, " ").replace(/^ | $/g, "");
}
