import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { channelOfPath } from "../../src/protocol/channels.ts";
import { CHANNEL_LIMIT } from "../../src/protocol/limits.ts";
import { INVISIBLE } from "../helpers/invisible.ts";

const SCOTLAND = "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";

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
    ["/%F0%9F%91%A9%F0%9F%8F%BD%E2%80%8D%F0%9F%9A%80", "👩🏽\u200d🚀"],
    [`/${encodeURIComponent(SCOTLAND)}`, SCOTLAND],
    ["/%E2%9D%A4%EF%B8%8F", "❤"],
    ["/%E2%9A%A1%EF%B8%8E", "⚡"],
    ["/1%EF%B8%8F%E2%83%A3", "1\u20e3"],
    ["/%F0%9F%8F%B3%EF%B8%8F%E2%80%8D%F0%9F%8C%88", "🏳\u200d🌈"],
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
    ...INVISIBLE.map((one) => [`/${encodeURIComponent(`a${one}b`)}`, "characters"]),
    ...INVISIBLE.map((one) => [`/${encodeURIComponent(`🎣${one}`)}`, "characters"]),
    [`/${encodeURIComponent("👩\u200d")}`, "characters"],
    [`/${encodeURIComponent("👩\u200d\u200d👩")}`, "characters"],
    [`/${encodeURIComponent("a\u200d👩")}`, "characters"],
    [`/${encodeURIComponent("a\u180b")}`, "characters"],
    [`/${encodeURIComponent("a\ufe0f")}`, "characters"],
    [`/${encodeURIComponent("🎣\ufe0f\ufe0f")}`, "characters"],
    [`/${encodeURIComponent("葛\u{e0100}")}`, "characters"],
    [`/${encodeURIComponent("🏴\u{e0061}\u{e007f}")}`, "characters"],
    ["/-", "reserved"],
    ["/-/", "reserved"],
    ["/-/health", "reserved"],
    ["/%2D/health", "reserved"],
    ["/-%2Fhealth", "reserved"],
    [`/${"x".repeat(CHANNEL_LIMIT + 1)}`, "length"],
  ])("rejects %s: %s", (path, fault) => {
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
