import { expect, test } from "bun:test";
import fc from "fast-check";
import { isEmpty, matches, searchOf, wordsOf } from "../../src/broker/words.ts";

const finds = (query: string, text: string, user = "ann") =>
  matches(searchOf(query), wordsOf(text), user);

test.each([
  ["Hello, World!", ["hello", "world"]],
  ["Crème brûlée, naïve Ångström", ["creme", "brulee", "naive", "angstrom"]],
  ["don't e-mail", ["don", "t", "e", "mail"]],
  ["ﬁne ２０２６", ["fine", "2026"]],
  ["日本語", ["日本", "本語", "語"]],
  ["東京tower 塔", ["東京", "京", "tower", "塔"]],
  ["スーパー", ["スー", "ーパ", "パー", "ー"]],
  ["한국어 검색", ["한국어", "검색"]],
  ["हिन्दी में", ["हिन्दी", "में"]],
  ["🎣 🐟", []],
])("the words of %j", (text, words) => {
  expect(wordsOf(text)).toEqual(words);
});

test.each([
  ["hello", "Hello, World!", true],
  ["hell", "Hello, World!", false],
  ["hell*", "Hello, World!", true],
  ["world hello", "Hello, World!", true],
  ['"hello world"', "Hello, World!", true],
  ['"world hello"', "Hello, World!", false],
  ['"hello wor*"', "Hello, World!", true],
  ["creme", "Crème", true],
  ["CRÈME", "creme", true],
  ["e-mail", "an e mail", true],
  ["日本", "日本語", true],
  ["本語", "日本語", true],
  ["語", "日本語", true],
  ["本", "日本語", true],
  ["日本語", "日本のことば、語", false],
  ["日語", "日本語", false],
  ["東京tower", "東京tower", true],
  ["", "x", true],
])("%j in %j", (query, text, found) => {
  expect(finds(query, text)).toBe(found);
});

test("from:name is the author, as names are compared", () => {
  expect(finds("from:ANN hello", "hello", "ann")).toBe(true);
  expect(finds("from:bob hello", "hello", "ann")).toBe(false);
  expect(finds('from:"Ann Lee"', "x", "ann lee")).toBe(true);
  expect(finds(`from:${"a".repeat(33)}`, "x", "a".repeat(33))).toBe(false);
});

test("nothing to look for is known as that", () => {
  for (const query of ["", " ", '"', "***", "🎣", '"" ""']) {
    expect(isEmpty(searchOf(query))).toBe(true);
  }
  expect(isEmpty(searchOf("a"))).toBe(false);
});

test("whatever is typed is a search, and every word of a text finds it", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(text, fc.string({ unit: "binary", maxLength: 60 }), (said, typed) => {
      matches(searchOf(typed), wordsOf(said), "ann");
      const words = said.split(/[\s"]+/).slice(0, 10);
      for (const word of words.filter((one) => !/^from:/i.test(one))) {
        expect(finds(word, said)).toBe(true);
      }
    }),
  );
});

test("a long run of marks takes no long time", () => {
  expect(wordsOf(`a${"\u0301\u0316".repeat(100_000)}`)).toEqual(["a"]);
});

test("no text makes many more words, or takes much longer, than one of plain letters", () => {
  // Sorted in quadratic time, if it were.
  expect(wordsOf("\u0301\uff9e".repeat(1000)).join("").length).toBeLessThan(10);
  expect(wordsOf("\ufdfa".repeat(2000)).length).toBeLessThan(2000);
});
