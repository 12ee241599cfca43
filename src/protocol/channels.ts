import { CHANNEL_LIMIT } from "./limits.ts";
import { CONTROL, fits, INVISIBLE } from "./text.ts";

/**
 * The rules for channel ids. Sources: RFC 3986 (percent-encoding), UAX #15 (NFC),
 * UAX #29 and UTS #51 (emoji sequences).
 */

/** Why a path or a text is not a channel. */
export type PathFault = "empty" | "encoding" | "characters" | "length" | "reserved";

/** A valid channel id, or why the path has none. */
export type ChannelId = { readonly id: string } | { readonly fault: PathFault };

/**
 * UTF-16 code units from which NFC can make one code point, at most (UAX #15, section 9). A longer
 * id cannot fit once it is normalized, and must not be: sorting the marks of a long text takes
 * quadratic time.
 */
const MAX_UNITS = 8;
/** More marks than any language puts on one letter (UAX #15, section 13: Stream-Safe text). */
const TOO_MANY_MARKS = /\p{M}{31}/u;

/** Picks the text or the emoji style of the character before it. Without it, both are one channel. */
const EMOJI_STYLE = /(?<=\p{Emoji})[\ufe0e\ufe0f]/gu;
/**
 * The only invisible characters that show, in what they make of others: U+200D between two emoji
 * (UAX #29, rule GB11), and the tags in the flags of England, Scotland and Wales.
 */
const EMOJI_JOINT = /(?<=\p{ExtPict}\p{EMod}?)\u200d(?=\p{ExtPict})|\p{RGI_Emoji_Tag_Sequence}/gv;

/**
 * The channel id of a URL's path, without the leading slash and percent-decoded as UTF-8: see
 * {@link channelOf}.
 *
 * @param pathname as in `URL.pathname`, still percent-encoded
 */
export function channelOfPath(pathname: string): ChannelId {
  let text: string;
  try {
    text = decodeURIComponent(pathname.slice(1));
  } catch {
    return { fault: "encoding" };
  }
  return channelOf(text);
}

/**
 * The channel id that a text stands for: without one slash at the end and without the variation
 * selectors of emoji, in NFC, at most {@link CHANNEL_LIMIT} code points.
 */
export function channelOf(text: string): ChannelId {
  let id = text.replace(EMOJI_STYLE, "");
  // Leaves room for the slash at the end.
  if (id.length > MAX_UNITS * (CHANNEL_LIMIT + 1)) return { fault: "length" };
  if (TOO_MANY_MARKS.test(id)) return { fault: "characters" };
  id = id.normalize("NFC");
  if (id.endsWith("/")) id = id.slice(0, -1);
  const fault = faultOf(id);
  return fault === undefined ? { id } : { fault };
}

/** Why this is not a channel id, if so. @param id in NFC */
function faultOf(id: string): PathFault | undefined {
  if (id === "") return "empty";
  if (id === "-" || id.startsWith("-/")) return "reserved";
  if (CONTROL.test(id) || INVISIBLE.test(id.replace(EMOJI_JOINT, ""))) return "characters";
  return fits(id, CHANNEL_LIMIT) ? undefined : "length";
}
