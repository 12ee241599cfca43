import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { channelOfPath } from "../../src/protocol/channels.ts";
import { CHANNEL_LIMIT } from "../../src/protocol/limits.ts";

describe("channelOfPath", () => {
  test.each([
    ["/fishing", "fishing"],
    ["/fishing/", "fishing"],
    ["/Fishing", "Fishing"],
    ["/games/chess", "games/chess"],
    ["/games%2Fchess", "games/chess"],
    ["/caf%C3%A9", "café"],
    ["/cafe%CC%81", "café"],
    ["/%F0%9F%91%A9%E2%80%8D%F0%9F%91%A9", "👩\u200d👩"],
    ["//a", "/a"],
    ["/a//", "a/"],
    ["/__proto__", "__proto__"],
    [`/${"x".repeat(CHANNEL_LIMIT)}`, "x".repeat(CHANNEL_LIMIT)],
    [`/x${"%CC%81".repeat(30)}`, `x${"\u0301".repeat(30)}`],
    [`/${"%F0%9F%8E%A3".repeat(CHANNEL_LIMIT)}`, "🎣".repeat(CHANNEL_LIMIT)],
  ])("%s is a channel", (path, id) => {
    expect(channelOfPath(path)).toEqual({ id });
  });

  test.each([
    ["/", "empty"],
    ["//", "empty"],
    ["/%zz", "encoding"],
    ["/%FF", "encoding"],
    ["/%C3", "encoding"],
    ["/%ED%A0%80", "encoding"],
    ["/%00", "characters"],
    ["/a%0Ab", "characters"],
    ["/%C2%85", "characters"],
    ["/%E2%80%AE", "characters"],
    ["/%D8%9C", "characters"],
    ["/%E2%80%A8", "characters"],
    [`/a${"%CC%81".repeat(31)}`, "characters"],
    ["/-", "reserved"],
    ["/-/", "reserved"],
    ["/-/health", "reserved"],
    ["/%2D/health", "reserved"],
    ["/-%2Fhealth", "reserved"],
    [`/${"x".repeat(CHANNEL_LIMIT + 1)}`, "length"],
  ])("%s is none: %s", (path, fault) => {
    expect(channelOfPath(path)).toEqual({ fault } as never);
  });

  test("composed and decomposed spellings of any text are one channel", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (text) => {
        const composed = channelOfPath(`/${encodeURIComponent(text.normalize("NFC"))}`);
        const decomposed = channelOfPath(`/${encodeURIComponent(text.normalize("NFD"))}`);
        expect(decomposed).toEqual(composed);
      }),
    );
  });
});

test("a path that is too long is refused before it is normalized, which takes quadratic time", () => {
  const marks = "\u0301\u0323".repeat(5000);
  using normalized = spyOn(String.prototype, "normalize");
  expect(channelOfPath(`/a${encodeURIComponent(marks)}`)).toEqual({ fault: "length" });
  expect(normalized).not.toHaveBeenCalled();
});

test("what fits once it is normalized is taken, however long it is before", () => {
  // No character has more parts than the first; those of the other take two code units each.
  for (const one of ["\u1f82", "\u{1109a}"]) {
    const id = one.repeat(CHANNEL_LIMIT);
    expect(channelOfPath(`/${encodeURIComponent(id.normalize("NFD"))}/`)).toEqual({ id });
  }
});
