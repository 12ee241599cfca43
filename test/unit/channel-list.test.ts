import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { channelsOf, hasChannel } from "../../src/auth/channels.ts";

describe("CHANNELS", () => {
  test.each([
    ["*", "anything/at all", true],
    ["fishing, team/*", "fishing", true],
    ["fishing, team/*", "team/a/b", true],
    ["fishing, team/*", "team", false],
    ["/fishing/", "fishing", true],
    ["fishing", "Fishing", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "axxbxxbc", true],
    ["a*b*c", "acb", false],
    ["a*a", "a", false],
    ["a.c", "abc", false],
    ["cafe\u0301", "café", true],
    ["❤️", "❤", true],
  ])("%s has %s: %p", (text, id, expected) => {
    expect(hasChannel(channelsOf(text)!, id)).toBe(expected);
  });

  test.each(["", "a,,b", "-/page", "a\u202eb", "x".repeat(200)])("rejects %j", (text) => {
    expect(channelsOf(text)).toBeUndefined();
  });

  test("matches as a regular expression does, in time that does not explode", () => {
    const piece = fc.constantFrom("a", "b", "*");
    const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((all) => all.join(""));
    const id = fc.array(fc.constantFrom("a", "b"), { maxLength: 8 }).map((all) => all.join(""));
    fc.assert(
      fc.property(pattern, id, (text, channel) => {
        const expected = new RegExp(`^${text.replaceAll("*", ".*")}$`).test(channel);
        expect(hasChannel([text], channel)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    expect(hasChannel([`${"*a".repeat(60)}*b`], "a".repeat(128))).toBe(false);
  });
});
