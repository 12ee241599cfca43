import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { NAME_LIMIT } from "../../src/protocol/limits.ts";
import { fits } from "../../src/protocol/text.ts";
import { nameOf } from "../../src/protocol/names.ts";

describe("nameOf", () => {
  test.each([
    ["fishing_beast_5000", "fishing_beast_5000"],
    ["  Bob  ", "Bob"],
    ["\u00a0Bob\u3000", "Bob"],
    ["Иван", "Иван"],
    ["Ελλάδα", "Ελλάδα"],
    ["たなか Tanaka", "たなか Tanaka"],
    ["李小龙 Bruce", "李小龙 Bruce"],
    ["김철수 Kim", "김철수 Kim"],
    ["محمد Bob", "محمد Bob"],
    ["ᏣᎳᎩ", "ᏣᎳᎩ"],
    ["☀️ sun", "☀ sun"],
    ["🎣", "🎣"],
    ["ﬁsh", "fish"],
    ["e\u0301", "é"],
    ["x".repeat(NAME_LIMIT), "x".repeat(NAME_LIMIT)],
    ["🎣".repeat(NAME_LIMIT), "🎣".repeat(NAME_LIMIT)],
  ])("%j shows as %j", (wanted, shown) => {
    expect(nameOf(wanted)?.shown).toBe(shown);
  });

  test.each([
    ["nothing", ""],
    ["spaces", "   "],
    ["33 characters", "x".repeat(NAME_LIMIT + 1)],
    ["a tab", "a\tb"],
    ["a line break at the end", "bob\n"],
    ["a null", "a\0"],
    ["a zero-width space", "a\u200bb"],
    ["a zero-width joiner", "👩\u200d👩"],
    ["a soft hyphen", "a\u00adb"],
    ["a bidi override", "a\u202eb"],
    ["a byte order mark", "\ufeffbob"],
    ["an invisible letter", "\u3164"],
    ["a blank braille", "\u2800"],
    ["a combining mark alone", "\u0301"],
    ["a lone surrogate", "a\ud800"],
    ["a private character", "a\ue000"],
    ["Cyrillic among Latin", "Bоb"],
    ["Greek among Latin", "Bοb"],
    ["Cherokee among Latin", "Ꭺnn"],
    ["Cyrillic with Greek", "Иλ"],
    ["two others with Latin", "שαbמحم"],
    ["Arabic with Hebrew", "محשל"],
  ])("%s is no name", (_, wanted) => {
    expect(nameOf(wanted)).toBeUndefined();
  });

  test.each([
    ["Bob", "bOB"],
    ["straße", "STRASSE"],
    ["ΣΑΣ", "σας"],
    ["ﬁsh", "FISH"],
    ["Ａnn", "ann"],
    ["☀️", "☀"],
  ])("%s and %s are one name", (one, other) => {
    expect(nameOf(one)?.key).toBe(nameOf(other)!.key);
  });

  test("a name shows as itself, and its key is the key of its upper and lower case", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (wanted) => {
        const name = nameOf(wanted);
        if (name === undefined) return;
        expect(nameOf(name.shown)).toEqual(name);
        expect(fits(name.shown, NAME_LIMIT)).toBe(true);
        expect(nameOf(name.shown.toLowerCase())?.key ?? name.key).toBe(name.key);
      }),
      { numRuns: 2000 },
    );
  });
});

test("a name that is too long is refused before it is normalized, which takes quadratic time", () => {
  const marks = "\u0301\u0323".repeat(5000);
  using normalized = spyOn(String.prototype, "normalize");
  expect(nameOf(`a${marks}`)).toBeUndefined();
  expect(normalized).not.toHaveBeenCalled();
});

test("what fits once it is normalized is taken, however long it is before", () => {
  // No character has more parts.
  expect(nameOf("\u1f82".repeat(NAME_LIMIT).normalize("NFD"))?.shown).toHaveLength(NAME_LIMIT);
  const spaces = "\u3000\u00a0 \u2007\ufe0f".repeat(1000);
  expect(nameOf(`${spaces}Bob${spaces}`)?.shown).toBe("Bob");
  expect(nameOf("𝐁".repeat(NAME_LIMIT))?.shown).toBe("B".repeat(NAME_LIMIT));
});

test("fits counts code points, and a lone surrogate as one", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), fc.nat(30), (text, limit) => {
      expect(fits(text, limit)).toBe([...text].length <= limit);
    }),
  );
  expect(fits("\ud800\ud800", 2)).toBe(true);
  expect(fits("\ud800\ud800", 1)).toBe(false);
});
