import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { excerptOf } from "../../src/web/hits.ts";

/** The excerpt with its hits in brackets. */
function shown(text: string, query: string): string {
  return excerptOf(text, query)
    .map((part) => (part.hit ? `[${part.text}]` : part.text))
    .join("");
}

describe("hits", () => {
  test.each([
    ["The lake is flat.", "lake", "The [lake] is flat."],
    ["Lakes, LAKE, lake", "lake", "Lakes, [LAKE], [lake]"],
    ["Lakes and flakes", "lake*", "[Lake]s and flakes"],
    ["Fix the lake, fix it", '"fix the" from:amy', "[Fix] [the] lake, [fix] it"],
    ["Un café très long", "cafe TRES", "Un [café] [très] long"],
    ["cafe\u0301s", "cafés", "[cafe\u0301s]"],
    ["ﬁsh and fish", "fish", "[ﬁsh] and [fish]"],
    ["東京湾の魚", "東京", "[東京]湾の魚"],
    ["a.b*c (d)", "b* )(", "a.[b]*c (d)"],
    ["no words at all", '"" * from:"amy lee"', "no words at all"],
    ["👋 hi", "hi", "👋 [hi]"],
  ])("in %j of %j", (text, query, expected) => {
    expect(shown(text, query)).toBe(expected);
  });

  test("a long text is shown around its first hit, from the beginning of a word", () => {
    const text = `${"some words ".repeat(100)}needle${" and more".repeat(100)}`;
    const excerpt = shown(text, "needle");
    expect(excerpt).toMatch(/^…(some|words) /);
    expect(excerpt).toContain(" [needle] and");
    expect(excerpt).toEndWith("…");
    expect(excerpt.length).toBeLessThan(420);
    expect(shown(`${"w".repeat(500)} needle`, "needle")).toBe("…[needle]");
  });

  test("an excerpt is a part of the text, whatever is searched for", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 800 });
    fc.assert(
      fc.property(text, text, (said, query) => {
        const parts = excerptOf(said, query).map((part) => part.text);
        const inner = parts.join("").replace(/^…|…$/g, "");
        expect(said).toContain(inner.replace(/…$/, ""));
      }),
    );
  });
});
