import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { NAME_LIMIT } from "../../src/protocol/limits.ts";
import { fits, keyOf } from "../../src/protocol/text.ts";
import { nameOf } from "../../src/protocol/names.ts";
import { INVISIBLE } from "../helpers/invisible.ts";

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
    ["Ann  \u3000 Lee", "Ann Lee"],
    ["Ann\u2009Lee", "Ann Lee"],
    ["a\u2010b", "a\u2010b"],
    ["O\u2019Brien", "O\u2019Brien"],
    ["İstanbul", "İstanbul"],
    ["Weiẞ", "Weiẞ"],
    ["นิดา", "นิดา"],
    ["हिन्दी Ann", "हिन्दी Ann"],
    ["شَمْس", "شَمْس"],
    ["Ann´s", "Ann \u0301s"],
    ["1️⃣", "1\u20e3"],
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
    ["a combining mark first", "\u0301Bob"],
    ["an accent first", "\u00b4Bob"],
    ["a leading mark of another script", "\u0e31Bob"],
    ["a mark of another script in it", "Bo\u0e38b"],
    ["a mark of another script behind one of any", "Bo\u0301\u0e38b"],
    ["an invisible virama", "Bob\u1039"],
    ["the same mark twice", "Bo\u0335\u0335b"],
    ["a space alone once it is normalized", "\u00b4"],
    ...INVISIBLE.map((one) => [`U+${one.codePointAt(0)!.toString(16)}`, `Bob${one}`]),
    ["a lone surrogate", "a\ud800"],
    ["a private character", "a\ue000"],
    ["Cyrillic among Latin", "Bоb"],
    ["Greek among Latin", "Bοb"],
    ["Cherokee among Latin", "Ꭺnn"],
    ["Cyrillic with Greek", "Иλ"],
    ["two others with Latin", "שαbמحم"],
    ["Arabic with Hebrew", "محשל"],
  ])("rejects %s", (_, wanted) => {
    expect(nameOf(wanted)).toBeUndefined();
  });

  test.each([
    ["Bob", "bOB"],
    ["straße", "STRASSE"],
    ["Weiẞ", "weiß"],
    ["WEIẞ", "Weiss"],
    ["Ann Lee", "Ann  Lee"],
    ["Ann Lee", "ann\u3000\u00a0lee"],
    ["i\u0307", "I"],
    ["İstanbul", "istanbul"],
    ["ıstanbul", "İSTANBUL"],
    ["\u1ecb\u0307", "\u1ecb"],
    ["i\u0331\u0307", "i\u0331"],
    ["j\u0307", "j"],
    ["\u0237", "j"],
    ...[
      ..."\u02d7\u06d4\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2796\ufe63\uff0d\ufe58",
    ].map((dash) => [`a${dash}b`, "A-B"]),
    ...[..."\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u2019\u201b\u2032\u2035\uff07"].map((quote) => [
      `O${quote}Brien`,
      "o'brien",
    ]),
    ["ΑΣ\u2010Α", "ας-α"],
    ["ΣΑΣ", "σας"],
    ["ﬁsh", "FISH"],
    ["Ａnn", "ann"],
    ["☀️", "☀"],
  ])("%s and %s are one name", (one, other) => {
    expect(nameOf(one)?.key).toBe(nameOf(other)!.key);
  });

  test.each([
    ["Ann Lee", "AnnLee"],
    ["ann-lee", "ann_lee"],
    ["O'Brien", "OBrien"],
    ["żaba", "zaba"],
    ["q\u0307", "q"],
    ["í", "i"],
    ["ł", "l"],
    ["l", "1"],
  ])("%s and %s are two names", (one, other) => {
    expect(nameOf(one)!.key).not.toBe(nameOf(other)!.key);
  });

  test("the key of a key is the key, also of what folding leaves", () => {
    const folded =
      "\u02d7\u2010\u2212'\u2019\u02bciIİı\u0307\u0301\u0323jJ\u0237ßẞsSσςΣαΑ \u3000a-".split("");
    const some = fc.oneof(
      fc.string({ unit: fc.constantFrom(...folded), maxLength: 8 }),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    fc.assert(
      fc.property(some, (text) => {
        const key = keyOf(text.normalize("NFKC"));
        expect(keyOf(key)).toBe(key);
      }),
      { numRuns: 5000 },
    );
    for (let code = 0; code <= 0x10ffff; code++) {
      const key = keyOf(String.fromCodePoint(code).normalize("NFKC"));
      if (keyOf(key) !== key) throw new Error(`U+${code.toString(16)}`);
    }
  });

  test("keys are equal exactly if the names are, once look-alikes and case are folded", () => {
    // Spelled out one by one, as the rules say it.
    const fold = (shown: string) =>
      shown
        .replace(/[\u02d7\u06d4\u2010-\u2015\u2043\u2212\u2796]/g, "-")
        .replace(/[\u02b9\u02bb-\u02bd\u02c8\u2018\u2019\u201b\u2032\u2035]/g, "'")
        .replace(/[iIıİ]\u0307?/g, "i")
        .replace(/[jJ\u0237]\u0307?/g, "j")
        .replace(/ẞ|ß/g, "ss")
        .toLowerCase();
    const units = "-\u2010\u2212'\u2019iIİı\u0307jJ\u0237ßẞsS aA".split("");
    const names = fc.string({ unit: fc.constantFrom(...units), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(names, names, (one, other) => {
        const a = nameOf(one);
        const b = nameOf(other);
        if (a === undefined || b === undefined) return;
        expect(a.key === b.key).toBe(fold(a.shown) === fold(b.shown));
      }),
      { numRuns: 20_000 },
    );
  });

  test("a name shows as itself, and its key is the key of its upper and lower case", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (wanted) => {
        const name = nameOf(wanted);
        if (name === undefined) return;
        expect(nameOf(name.shown)).toEqual(name);
        expect(fits(name.shown, NAME_LIMIT)).toBe(true);
        expect(nameOf(name.shown.toLowerCase())?.key ?? name.key).toBe(name.key);
        expect(nameOf(name.shown.toUpperCase())?.key ?? name.key).toBe(name.key);
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
  expect(nameOf(`Ann${spaces}Lee`)?.shown).toBe("Ann Lee");
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
