import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  headOf,
  hrefOf,
  isFewEmoji,
  mentions,
  piecesOf,
  undirected,
} from "../../src/web/pieces.ts";

function links(text: string): string[] {
  return piecesOf(text, undefined)
    .filter(({ kind }) => kind === "link")
    .map((piece) => piece.text);
}

describe("links", () => {
  test.each([
    ["see https://a.example/b?c=d#e.", ["https://a.example/b?c=d#e"]],
    ["(https://a.example/b)", ["https://a.example/b"]],
    ["https://a.example/wiki/Fish_(food), yes", ["https://a.example/wiki/Fish_(food)"]],
    ["HTTP://A.EXAMPLE and http://b.example!", ["HTTP://A.EXAMPLE", "http://b.example"]],
    ['"https://a.example/"', ["https://a.example/"]],
    ["https:// http://", []],
    ["javascript:alert(1) data:text/html,x file:///etc/passwd", []],
    ["xhttps://a.example", []],
    ["https://a.example/\u202Egnp.exe", ["https://a.example/"]],
  ])("in %j", (text, found) => {
    expect(links(text)).toEqual(found);
  });

  test("only http and https are links", () => {
    expect(hrefOf("https://a.example")).toBe("https://a.example/");
    expect(hrefOf("javascript:alert(1)")).toBeUndefined();
    expect(hrefOf("https://")).toBeUndefined();
  });
});

describe("mentions", () => {
  test.each([
    ["hi @amy, there", "amy", true],
    ["hi @AMY", "amy", true],
    ["@amy", "amy", true],
    ["@amyx", "amy", false],
    ["me@amy.example", "amy", false],
    ["amy", "amy", false],
    ["@a.b*c", "a.b*c", true],
    ["@axb*c", "a.b*c", false],
    ["مرحبا @علي!", "علي", true],
    ["@amy lee", "amy lee", true],
    ["@a-b/c", "a-b/c", true],
  ])("in %j of %j: %j", (text, name, found) => {
    expect(mentions(text, name)).toBe(found);
  });

  test("there is no mention without a name, or within a link", () => {
    expect(mentions("@undefined", undefined)).toBe(false);
    const pieces = piecesOf("https://a.example/@amy @amy", "amy");
    expect(pieces.map(({ kind }) => kind)).toEqual(["link", "text", "mention"]);
  });
});

test("the pieces always add up to the text", () => {
  const part = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("https://a.b/", "@amy", ")."),
  );
  fc.assert(
    fc.property(fc.array(part), fc.string({ minLength: 1 }), (parts, name) => {
      const text = parts.join("");
      const pieces = piecesOf(text, name);
      expect(pieces.map((piece) => piece.text).join("")).toBe(text);
    }),
  );
});

test("one to three emoji are few", () => {
  expect(["🎣", "🎣🐟 👍🏽", "👩‍👩‍👧", "❤️"].map(isFewEmoji)).toEqual([true, true, true, true]);
  expect(["", "a", "1", "🎣🎣🎣🎣", "🎣 a"].map(isFewEmoji)).toEqual(Array(5).fill(false));
});

test("characters that turn the direction of others are not shown, those that isolate or mark are", () => {
  expect(undirected("Log in: \u202ehttps://evil.example/moc.knab//:sptth\u202c")).toBe(
    "Log in: https://evil.example/moc.knab//:sptth",
  );
  expect(undirected("\u202aa\u202bb\u202dc")).toBe("abc");
  expect(undirected("\u2067אב\u2069 \u200e1\u200f2\u061c3")).toBe(
    "\u2067אב\u2069 \u200e1\u200f2\u061c3",
  );
});

test("a text of more than 25 lines is cut after 20", () => {
  const lines = (count: number, line = "a", end = "\n") => Array(count).fill(line).join(end);
  for (const text of ["", "a", lines(25), "a".repeat(2500)]) expect(headOf(text)).toBeUndefined();
  for (const end of ["\n", "\u2028", "\u2029"]) {
    expect(headOf(lines(26, "a", end))?.split("\n")).toEqual(Array(20).fill("a"));
  }
  expect(headOf(lines(26, "a\r"))?.split("\n")).toEqual(Array(20).fill("a\r"));
  expect(headOf(`a${"\n".repeat(1998)}b`)).toBe(`a${"\n".repeat(19)}`);
  expect(headOf("a".repeat(2501))).toBe("a".repeat(2000));
  expect(headOf(`${"a".repeat(1000)}\n${"b".repeat(1000)}\n${"c".repeat(501)}`)).toBe(
    `${"a".repeat(1000)}\n${"b".repeat(1000)}`,
  );
  expect(headOf(`${"word ".repeat(398)}https://a.example/${"b".repeat(600)}`)).toBe(
    "word ".repeat(398),
  );
});
