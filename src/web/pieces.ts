/** A part of a text: plain, a link, or a mention of one's own name. */
export interface Piece {
  readonly kind: "text" | "link" | "mention";
  readonly text: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"'`{}|\\^\p{Cc}\p{Bidi_Control}]+/giu;
const TRAILING = /[.,:;!?…*_~'"»”’]$/u;
const PAIRS: Record<string, string> = { ")": "(", "]": "[" };

/** @param name one's own; a mention is an `@` followed by it */
export function piecesOf(text: string, name: string | undefined): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    const link = trimmed(found[0]);
    if (hrefOf(link) === undefined) continue;
    pieces.push(...mentionsIn(text.slice(end, found.index), name));
    pieces.push({ kind: "link", text: link });
    end = found.index + link.length;
  }
  pieces.push(...mentionsIn(text.slice(end), name));
  return pieces;
}

/** The address of a link, if it is safe to open. */
export function hrefOf(link: string): string | undefined {
  const url = URL.parse(link);
  return url !== null && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

/** Without the punctuation of the sentence around it, and a bracket that was opened before it. */
function trimmed(link: string): string {
  for (let rest = link; ; rest = rest.slice(0, -1)) {
    const last = rest.at(-1) ?? "";
    const open = PAIRS[last];
    const closes = open !== undefined && rest.split(open).length < rest.split(last).length;
    if (!TRAILING.test(rest) && !closes) return rest;
  }
}

function mentionsIn(text: string, name: string | undefined): Piece[] {
  const pattern = name === undefined ? undefined : mentionPattern(name);
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of pattern === undefined ? [] : text.matchAll(pattern)) {
    if (found.index > end) pieces.push({ kind: "text", text: text.slice(end, found.index) });
    pieces.push({ kind: "mention", text: found[0] });
    end = found.index + found[0].length;
  }
  if (end < text.length) pieces.push({ kind: "text", text: text.slice(end) });
  return pieces;
}

/** `@name` in any case, but not within a word. */
function mentionPattern(name: string): RegExp {
  const literal = name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}_])@${literal}(?![\\p{L}\\p{M}\\p{N}_])`, "giu");
}

export function mentions(text: string, name: string | undefined): boolean {
  return name !== undefined && mentionPattern(name).test(text);
}

const FEW_EMOJI = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

/** Whether a text is only one to three emoji, which are drawn larger. */
export function isFewEmoji(text: string): boolean {
  return text.length < 100 && FEW_EMOJI.test(text);
}

/** A text without what overrides the direction of its characters. Marks and isolates stay. */
export function undirected(text: string): string {
  return text.replace(/[\u202a-\u202e]/g, "");
}

/** A text of more lines than MOST is shown with HEAD of them at first. */
const MOST = 25;
const HEAD = 20;
/** A line of about this many characters fits on a wide screen. */
const WIDTH = 100;

/** The first lines of a text that has too many; undefined if all are shown. */
export function headOf(text: string): string | undefined {
  let lines = 0;
  let head = "";
  for (const line of text.split(/[\n\u2028\u2029]/)) {
    const fits = line.slice(0, Math.max(0, HEAD - lines) * WIDTH);
    // The cut is between words: half a link would lead elsewhere.
    if (lines < HEAD) head += `${fits === line ? line : fits.replace(/(\s)\S*$/, "$1")}\n`;
    lines += Math.max(1, Math.ceil(line.length / WIDTH));
    if (lines > MOST) return head.slice(0, -1);
  }
  return undefined;
}
