import { clean } from "./lines.ts";

/** The input line of a terminal, as pure functions: one row, in which a long text scrolls. */

/** What was typed, on either side of the cursor. */
export interface Line {
  readonly before: string;
  readonly after: string;
}

export const EMPTY: Line = { before: "", after: "" };

/** A key as node:readline reports it. */
export interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
}

/** The line after a key. An unknown key changes nothing. */
export function edit(line: Line, text: string | undefined, key: Key): Line {
  const { before, after } = line;
  const left = graphemes(before).at(-1) ?? "";
  const right = graphemes(after)[0] ?? "";
  const shorter = before.slice(0, before.length - left.length);
  switch (key.ctrl === true ? `ctrl ${key.name}` : key.name) {
    case "backspace":
    case "ctrl h":
      return { before: shorter, after };
    case "delete":
    case "ctrl d":
      return { before, after: after.slice(right.length) };
    case "left":
    case "ctrl b":
      return { before: shorter, after: left + after };
    case "right":
    case "ctrl f":
      return { before: before + right, after: after.slice(right.length) };
    case "home":
    case "ctrl a":
      return { before: "", after: before + after };
    case "end":
    case "ctrl e":
      return { before: before + after, after: "" };
    case "ctrl u":
      return { before: "", after };
    case "ctrl k":
      return { before, after: "" };
    case "ctrl w":
      return { before: before.replace(/\S*\s*$/, ""), after };
  }
  const typed = key.ctrl === true || key.meta === true ? "" : (text ?? "").replaceAll("\t", " ");
  return clean(typed) === typed ? { before: before + typed, after } : line;
}

/**
 * The visible part of a line, and how many columns precede its cursor.
 *
 * @param columns the width of the row
 */
export function view({ before, after }: Line, columns: number): { text: string; cursor: number } {
  const shown = take(graphemes(before).toReversed(), columns - 1)
    .toReversed()
    .join("");
  const cursor = Bun.stringWidth(shown);
  return { text: shown + take(graphemes(after), columns - 1 - cursor).join(""), cursor };
}

/** The first parts that fit into so many columns. */
function take(parts: string[], columns: number): string[] {
  let width = 0;
  const end = parts.findIndex((part) => (width += Bun.stringWidth(part)) > columns);
  return end === -1 ? parts : parts.slice(0, end);
}

const SEGMENTER = new Intl.Segmenter();

function graphemes(text: string): string[] {
  return Array.from(SEGMENTER.segment(text), ({ segment }) => segment);
}
