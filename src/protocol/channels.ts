import { CHANNEL_LIMIT } from "./limits.ts";
import { CONTROL, fits } from "./text.ts";

/** The rules for channel ids. Sources: RFC 3986 (percent-encoding), UAX #15 (NFC). */

/** Why a path or a text is not a channel. */
export type PathFault = "empty" | "encoding" | "characters" | "length" | "reserved";

/** A valid channel id, or why the path has none. */
export type ChannelId = { readonly id: string } | { readonly fault: PathFault };

/**
 * UTF-16 code units from which NFC can make one code point, at most (UAX #15, section 9). A longer
 * id cannot fit once it is normalized, and must not be: sorting the marks of a long text takes
 * quadratic time.
 */
const UNITS_MOST = 8;
/** More marks than any language puts on one letter (UAX #15, section 13: Stream-Safe text). */
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
  // Leaves room for the slash at the end.
  if (id.length > UNITS_MOST * (CHANNEL_LIMIT + 1)) return { fault: "length" };
  if (TOO_MANY_MARKS.test(id)) return { fault: "characters" };
  id = id.normalize("NFC");
  if (id.endsWith("/")) id = id.slice(0, -1);
  const fault = faultOf(id);
  return fault === undefined ? { id } : { fault };
}

/** Why this is not a channel id, if so. @param id in NFC */
export function faultOf(id: string): PathFault | undefined {
  if (id === "") return "empty";
  if (id === "-" || id.startsWith("-/")) return "reserved";
  if (CONTROL.test(id)) return "characters";
  return fits(id, CHANNEL_LIMIT) ? undefined : "length";
}
