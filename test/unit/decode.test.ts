import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decode } from "../../src/protocol/decode.ts";

const piece = fc.constantFrom(
  '"',
  "\\",
  "}",
  "{",
  ",",
  ":",
  '"}',
  "text",
  "\n",
  "\u0000",
  "\u007f",
  "\u2028",
  "é",
  "🎣",
  "a",
  " ",
  '\\"',
  "\\u0041",
);
const text = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "grapheme" }),
);
const before = fc.constantFrom(
  '{"type":"message","text":"',
  '{"type":"message","text":',
  '{"type":"message", "text":"',
  "{",
);
const after = fc.constantFrom('"}', "}", '"', '","ref":"1"}', '","text":"b"}', "5}", "null}");
const frame = fc.oneof(
  text.map((text) => `{"type":"message","text":"${text}"}`),
  fc.tuple(before, text, after).map((parts) => parts.join("")),
);

/** What a frame says by JSON.parse alone, if it is a message. */
function textIn(raw: string): string | undefined {
  try {
    const { type, text } = JSON.parse(raw);
    return type === "message" && typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}

test("reads a canonical message as JSON.parse does, and keeps its literal", () => {
  fc.assert(
    fc.property(frame, (raw) => {
      for (const v1 of [false, true]) {
        const command = decode(raw, v1);
        if (typeof command === "string") {
          expect(JSON.parse(command)).toBe(textIn(raw)!);
          expect(command).toBe(JSON.stringify(JSON.parse(command)));
        } else if (command.type === "message") expect(command.text).toBe(textIn(raw)!);
      }
    }),
    { numRuns: 5000 },
  );
});

test("a canonical message is its literal, one with an escape is not", () => {
  expect(decode('{"type":"message","text":"a é 🎣"}', false)).toBe('"a é 🎣"');
  const escaped = { type: "message", text: "a\n" } as const;
  expect(decode('{"type":"message","text":"a\\n"}', false)).toEqual(escaped);
});

describe("a broken frame is not taken for canonical", () => {
  test.each([
    '{"type":"message","text":"',
    '{"type":"message","text":"}',
    '{"type":"message","text":}',
    '{"type":"message","text":5"}',
  ])("%s", (raw) => {
    expect(decode(raw, false)).toEqual({ type: "rejected", code: "invalid_json" });
  });
});
