import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { edit, EMPTY, view } from "../../src/terminal/editor.ts";
import { nameOf } from "../../src/protocol/names.ts";
import { clean, colourOf, jsonLine, pipeLine, screenLine } from "../../src/terminal/lines.ts";

const EVIL = "\x1b[2J\x9b31m\x07\u202e\u2066\u200f\u061c\x7f\0";
/** What a terminal would obey. */
const OBEYED = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/u;
/** The sequences that a screen line adds. */
const OWN = /\x1b\[(2|22|39|38;5;\d+)m|\n/g;

const anything = fc.string({ unit: "binary", maxLength: 40 });
const messages = fc.record({ text: anything, user: anything, timestamp: fc.nat(4e9) });

test("removes everything that a terminal would obey", () => {
  expect(clean(`a\tb${EVIL}c`)).toBe(`a    b\ufffd[2J\ufffd31m${"\ufffd".repeat(7)}c`);
  fc.assert(
    fc.property(messages, (message) => {
      expect(clean(message.text)).not.toMatch(OBEYED);
      expect(pipeLine(message)).not.toMatch(OBEYED);
      expect(jsonLine("message", message)).not.toMatch(OBEYED);
      expect(screenLine(message, false).replaceAll("\n", "")).not.toMatch(OBEYED);
      expect(screenLine(message, true).replaceAll(OWN, "")).not.toMatch(OBEYED);
    }),
  );
});

test("a line of JSON equals the event", () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(JSON.parse(jsonLine("message", message))).toEqual({ type: "message", ...message });
    }),
  );
});

test("a message that was removed says so", () => {
  const message = { text: "", user: "ann", timestamp: 0, removed: true } as const;
  expect(screenLine(message, false)).toEndWith(" ann: (deleted)");
  expect(screenLine(message, true)).toEndWith(": \x1b[2m(deleted)\x1b[22m");
});

test("a message is one line in a pipe, and indented on a screen", () => {
  const message = { text: "one\r\ntwo\nthree", user: "ann", timestamp: 1_652_997_756 };
  expect(pipeLine(message)).toBe("2022-05-19T22:02:36Z ann: one two three");
  expect(screenLine(message, false)).toMatch(/^\d\d:\d\d ann: one\n {6}two\n {6}three$/);
  expect(screenLine(message, true)).toContain(`\x1b[38;5;${colourOf("ann")}mann\x1b[39m: one`);
});

test.each([
  ["ann", "ann"],
  ["Ann Lee", "Ann Lee"],
  ['Bob "the Fish" Lee', 'Bob "the Fish" Lee'],
  ["李小龙", "李小龙"],
  ["दुःख", "दुःख"],
  ["bob: approved", '"bob： approved"'],
  [":)", '"：)"'],
  ["bob:", '"bob："'],
  ['"bob"', '"\\"bob\\""'],
  ["bob\ua789 approved", '"bob\ua789 approved"'],
  ["bob\u2236 approved", '"bob\u2236 approved"'],
])("the name %s stands as %s in a line", (user, shown) => {
  const message = { text: "hi", user, timestamp: 1_652_997_756 };
  expect(pipeLine(message)).toBe(`2022-05-19T22:02:36Z ${shown}: hi`);
  expect(screenLine(message, false)).toEndWith(` ${shown}: hi`);
  expect(screenLine(message, true)).toEndWith(`m${shown}\x1b[39m: hi`);
});

test("the first ': ' of a line ends the name, which can be told from its form", () => {
  const names = fc
    .string({ unit: fc.constantFrom(...'ab: "\\\uff1a\ua789,'), minLength: 1, maxLength: 8 })
    .map((wanted) => nameOf(wanted)?.shown)
    .filter((name) => name !== undefined);
  const texts = fc.string({ unit: fc.constantFrom(...'a: "'), minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(names, texts, (user, text) => {
      const line = pipeLine({ text, user, timestamp: 0 });
      const [, name = "", rest] = /^1970-01-01T00:00:00Z (.*?): (.*)$/.exec(line)!;
      const quoted = name.startsWith('"');
      expect(quoted ? JSON.parse(name.replaceAll("：", ":")) : name).toBe(user);
      expect(rest).toBe(text);
    }),
  );
});

test("a name has one colour in any case, and names have many", () => {
  expect(colourOf("ann")).toBe(colourOf("Ann"));
  expect(new Set(Array.from({ length: 200 }, (_, at) => colourOf(`user ${at}`))).size).toBe(16);
});

describe("the input line", () => {
  /** The line after these keys; "|" is the cursor. */
  function after(...keys: (string | [name: string] | [ctrl: "ctrl", name: string])[]): string {
    let line = EMPTY;
    for (const key of keys) {
      if (typeof key === "string") for (const char of key) line = edit(line, char, { name: char });
      else if (key[0] === "ctrl") line = edit(line, "\x01", { name: key[1], ctrl: true });
      else line = edit(line, "\x1b", { name: key[0] });
    }
    return `${line.before}|${line.after}`;
  }

  test("follows the usual keys", () => {
    expect(after("abc", ["left"], "d")).toBe("abd|c");
    expect(after("abc", ["left"], ["backspace"])).toBe("a|c");
    expect(after("abc", ["home"], ["delete"], ["right"])).toBe("b|c");
    expect(after("one two ", ["ctrl", "w"])).toBe("one |");
    expect(after("abc", ["left"], ["ctrl", "k"])).toBe("ab|");
    expect(after("abc", ["left"], ["ctrl", "u"], ["ctrl", "e"])).toBe("c|");
    expect(after(["backspace"], ["left"], ["right"], ["delete"], ["f5"], ["ctrl", "q"])).toBe("|");
    expect(after("a\tb")).toBe("a b|");
  });

  test("treats a visible character as one", () => {
    const family = "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}";
    expect(after(`a${family}e\u0301`, ["left"], ["left"])).toBe(`a|${family}e\u0301`);
    expect(after(`a${family}`, ["backspace"])).toBe("a|");
  });

  test("leaves the cursor and one column free at any width", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 30 }).map(clean);
    fc.assert(
      fc.property(text, text, fc.integer({ min: 2, max: 20 }), (before, after, columns) => {
        const seen = view({ before, after }, columns);
        expect(Bun.stringWidth(seen.text)).toBeLessThan(columns);
        expect(seen.cursor).toBeLessThan(columns);
        const width = Bun.stringWidth(before + after);
        if (width < columns) expect(seen.text).toBe(before + after);
      }),
    );
  });
});
