import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  historyFrame,
  type Message,
  messageFrame,
  messageFrameV1,
} from "../../src/protocol/encode.ts";

test("writes ids, prevs and timestamps as whole numbers", () => {
  const id = fc.oneof(
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    fc.integer({ min: 0, max: 3_000_000 }),
    fc.integer({ min: 1_652_997_756_000_000, max: 1_652_997_757_999_999 }),
    fc.nat(4000).map((seconds) => seconds * 1_000_000),
  );
  fc.assert(
    fc.property(id, id, fc.nat(1e10), (one, other, timestamp) => {
      const message: Message = { id: one, prev: other, timestamp, text: '"t"', user: '"u"' };
      expect(messageFrame(message)).toBe(
        `{"type":"message","text":"t","timestamp":${timestamp},"user":"u"}`,
      );
      const fields = `"text":"t","timestamp":${timestamp},"user":"u","id":${one},"prev":${other}`;
      expect(messageFrameV1(message)).toBe(`{"type":"message",${fields}}`);
      expect(historyFrame({ messages: [message], gap: false, more: true }, { after: 0 })).toBe(
        `{"type":"history","messages":[{${fields}}],"gap":"false","more":"true"}`,
      );
    }),
    { numRuns: 3000 },
  );
});
