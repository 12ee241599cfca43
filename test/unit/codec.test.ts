import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  decode,
  historyFrame,
  type Message,
  messageFrame,
  messageFrameV1,
  plainLiteral,
} from "../../src/protocol/codec.ts";

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

test("the short way of a message says what the long way says", () => {
  let short = 0;
  fc.assert(
    fc.property(frame, (raw) => {
      const literal = plainLiteral(raw);
      if (literal === undefined) return;
      short++;
      for (const v1 of [false, true]) {
        const command = decode(raw, v1);
        expect(command).toEqual({ type: "message", text: literal.slice(1, -1) });
      }
      expect(JSON.stringify(literal.slice(1, -1))).toBe(literal);
    }),
    { numRuns: 5000 },
  );
  expect(short).toBeGreaterThan(500);
});

test.each([
  '{"type":"message","text":"',
  '{"type":"message","text":"}',
  '{"type":"message","text":}',
  '{"type":"message","text":5"}',
])("%s is no text", (raw) => {
  expect(plainLiteral(raw)).toBeUndefined();
});

test("ids, prevs and timestamps are written digit by digit", () => {
  const id = fc.oneof(
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    fc.integer({ min: 0, max: 3_000_000 }),
    fc.integer({ min: 1_652_997_756_000_000, max: 1_652_997_757_999_999 }),
    fc.nat(4000).map((seconds) => seconds * 1_000_000),
  );
  fc.assert(
    fc.property(id, id, (one, other) => {
      const message: Message = { id: one, prev: other, text: '"t"', user: '"u"' };
      const timestamp = Math.floor(one / 1e6);
      expect(messageFrame(message)).toBe(
        `{"type":"message","text":"t","timestamp":${timestamp},"user":"u"}`,
      );
      const fields = `"text":"t","timestamp":${timestamp},"user":"u","id":${one},"prev":${other}`;
      expect(messageFrameV1(message)).toBe(`{"type":"message",${fields}}`);
      expect(historyFrame({ messages: [message], gap: false, more: true }, true)).toBe(
        `{"type":"history","messages":[{${fields}}],"gap":"false","more":"true"}`,
      );
    }),
    { numRuns: 3000 },
  );
});
