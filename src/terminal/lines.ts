import type { ChatMessage } from "../client/api.ts";

/** What people say, as lines for a terminal or a pipe. */

const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

/** A text without a character that a terminal would obey: each is seen as U+FFFD, a tab as spaces. */
export function clean(text: string): string {
  return text.replaceAll("\t", "    ").replace(CONTROL, "\ufffd");
}

/** A text as one line: a line break is seen as a space. */
function oneLine(text: string): string {
  return clean(text.replace(/\r\n|[\r\n\u2028\u2029]/g, " "));
}

/** For a pipe: like `2026-05-19T12:34:56Z ann: hello`. */
export function pipeLine({ text, user, timestamp }: ChatMessage): string {
  const time = new Date(timestamp * 1000).toISOString().replace(".000Z", "Z");
  return `${time} ${oneLine(user)}: ${oneLine(text)}`;
}

/** An event as one line of JSON, with what a terminal would obey escaped. */
export function jsonLine(type: string, event: object): string {
  return JSON.stringify({ type, ...event }).replace(CONTROL, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Of the 256 colours, those that can be read on black and on white. */
const COLOURS = [31, 35, 65, 67, 69, 97, 99, 101, 131, 133, 135, 137, 162, 166, 168, 172];

/** The colour of a name, always the same: FNV-1a over its characters. */
export function colourOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  return COLOURS[hash % COLOURS.length]!;
}

/** For a terminal: the local time, the name and the text, its further lines set in. */
export function screenLine({ text, user, timestamp }: ChatMessage, colours: boolean): string {
  const time = new Date(timestamp * 1000).toTimeString().slice(0, 5);
  const name = clean(user);
  const lines = text.split(/\r\n|[\r\n\u2028\u2029]/).map(clean);
  const shown = lines.join(`\n${" ".repeat(time.length + 1)}`);
  if (!colours) return `${time} ${name}: ${shown}`;
  return `\x1b[2m${time}\x1b[22m \x1b[38;5;${colourOf(name)}m${name}\x1b[39m: ${shown}`;
}
