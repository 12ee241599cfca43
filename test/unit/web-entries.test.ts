import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Entry, entriesOf, insert, leadOf } from "../../src/web/entries.ts";

const NOON = new Date(2026, 4, 20, 12).getTime();

function entry(id: number, parts: Partial<Entry> = {}): Entry {
  return { text: "", user: "amy", time: NOON + id * 1000, id, prev: id - 1, ...parts };
}

test("an author's messages are grouped for five minutes", () => {
  expect(leadOf(undefined, entry(1))).toEqual({ day: true, gap: false, head: true });
  expect(leadOf(entry(1), entry(2))).toEqual({ day: false, gap: false, head: false });
  expect(leadOf(entry(1), entry(2, { user: "bob" })).head).toBe(true);
  expect(leadOf(entry(1), entry(2, { time: NOON + 302_000 })).head).toBe(true);
});

test("a new day and a gap each start a new group", () => {
  const nextDay = leadOf(entry(1), entry(2, { time: NOON + 12 * 3_600_000 }));
  expect(nextDay).toEqual({ day: true, gap: false, head: true });
  const afterGap = leadOf(entry(1), entry(5, { gap: true }));
  expect(afterGap).toEqual({ day: false, gap: true, head: true });
  // What is missing before the first one is another sentence.
  expect(leadOf(undefined, entry(5, { gap: true })).gap).toBe(false);
});

test("a page shows the gaps within it, and one before it if the server says so", () => {
  const chain = [
    [3, 2],
    [4, 3],
    [7, 6],
  ].map(([id, prev]) => ({ text: "", user: "amy", timestamp: 0, id: id!, prev: prev! }));
  expect(entriesOf(chain).map(({ gap }) => gap)).toEqual([false, false, true]);
  expect(entriesOf(chain, true).map(({ gap }) => gap)).toEqual([true, false, true]);
});

test("entries end up sorted, each once, in any parts", () => {
  const ids = fc.array(fc.array(fc.integer({ min: 1, max: 60 })));
  fc.assert(
    fc.property(ids, (parts) => {
      const entries: Entry[] = [];
      for (const part of parts)
        insert(
          entries,
          part.map((id) => entry(id)),
        );
      const sorted = [...new Set(parts.flat())].sort((a, b) => a - b);
      expect(entries.map(({ id }) => id)).toEqual(sorted);
    }),
  );
});

test("entries without ids stay in order of arrival", () => {
  const entries: Entry[] = [];
  const plain = { id: undefined, prev: undefined };
  insert(entries, [entry(1, { ...plain, text: "a" }), entry(2, { ...plain, text: "b" })]);
  expect(entries.map(({ text }) => text)).toEqual(["a", "b"]);
});
