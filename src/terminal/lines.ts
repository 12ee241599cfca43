import type { ChatMessage } from "../client/api.ts";
import { hashOf } from "../client/colour.ts";
import { CONTROL } from "../protocol/text.ts";

/** Messages as lines for a terminal or a pipe. */

const CONTROLS = new RegExp(CONTROL, "gu");

/** A text without characters that a terminal would obey: U+FFFD instead, spaces for a tab. */
export function clean(text: string): string {
  return text.replaceAll("\t", "    ").replace(CONTROLS, "\ufffd");
}

/** A text as one line: spaces for line breaks. */
function oneLine(text: string): string {
  return clean(text.replace(/\r\n|[\r\n\u2028\u2029]/g, " "));
}

/**
 * A colon and what looks like one (UTS #39, confusables.txt), apart from the letters and marks of
 * living scripts.
 */
const COLON = /[:\u02d0\u02f8\u0589\u05c3\u0703\u0704\u1803\u1809\u205a\u2236\ua789]/;

/**
 * A name as it stands in a line, so that the first `: ` ends it, and people see where it ends. If it
 * has a colon, or starts with a quotation mark, it is a JSON string with U+FF1A for each colon. Names
 * are in NFKC, so none has that character itself.
 */
function label(name: string): string {
  const shown = oneLine(name);
  if (!COLON.test(shown) && !shown.startsWith('"')) return shown;
  return JSON.stringify(shown).replaceAll(":", "\uff1a");
}

/** For a pipe: like `2026-05-19T12:34:56Z ann: hello`. */
export function pipeLine({ text, user, timestamp }: ChatMessage): string {
  const time = new Date(timestamp * 1000).toISOString().replace(".000Z", "Z");
  return `${time} ${label(user)}: ${oneLine(text)}`;
}

/** An event as one line of JSON that escapes what a terminal would obey. */
export function jsonLine(type: string, event: object): string {
  return JSON.stringify({ type, ...event }).replace(CONTROLS, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Those of the 256 colours that are readable on black and on white. */
const COLOURS = [31, 35, 65, 67, 69, 97, 99, 101, 131, 133, 135, 137, 162, 166, 168, 172];

/** The colour of a name, always the same. */
export function colourOf(name: string): number {
  return COLOURS[hashOf(name) % COLOURS.length]!;
}

export function dim(text: string): string {
  return `\x1b[2m${text}\x1b[22m`;
}

/** For a terminal: the local time, the name and the text, with its further lines indented. */
export function screenLine(message: ChatMessage, colours: boolean): string {
  const { text, user, timestamp, removed } = message;
  const time = new Date(timestamp * 1000).toTimeString().slice(0, 5);
  const name = label(user);
  const lines = text.split(/\r\n|[\r\n\u2028\u2029]/).map(clean);
  const shown = removed ? "(deleted)" : lines.join(`\n${" ".repeat(time.length + 1)}`);
  if (!colours) return `${time} ${name}: ${shown}`;
  return `${dim(time)} \x1b[38;5;${colourOf(name)}m${name}\x1b[39m: ${removed ? dim(shown) : shown}`;
}
