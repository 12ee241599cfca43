import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Entry, insert, leadOf } from "../../src/web/entries.ts";

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
  expect(leadOf(entry(1), entry(5))).toEqual({ day: false, gap: true, head: true });
  // Without ids, gaps are unknown.
  expect(leadOf(entry(1), entry(5, { id: undefined, prev: undefined })).gap).toBe(false);
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
