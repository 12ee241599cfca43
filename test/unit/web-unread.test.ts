import { expect, test } from "bun:test";
import type { Entry } from "../../src/web/entries.ts";
import { createUnread, firstNew } from "../../src/web/unread.ts";

/** Messages with these ids, each after the one before. */
function chain(from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    return { text: "", user: "bob", time: 0, id: from + at, prev: from + at - 1 };
  });
}
const WATCHED = { own: false, watched: true, missed: false };
const MISSED = { ...WATCHED, missed: true };
const AWAY = { ...WATCHED, watched: false };

test("the mark waits until the first new message is loaded", () => {
  const entries = chain(151, 200);
  expect(firstNew(entries, 40, true)).toBeUndefined();
  expect(firstNew(entries, 150, true)?.id).toBe(151);
  expect(firstNew(entries, 180, true)?.id).toBe(181);
  expect(firstNew([...chain(31, 150), ...entries], 40, true)?.id).toBe(41);
  // The ones before are no longer stored.
  expect(firstNew(entries, 40, false)?.id).toBe(151);
  expect(firstNew(entries, 200, false)).toBeUndefined();
  expect(firstNew(entries, undefined, false)).toBeUndefined();
});

test("messages that arrive while the tab is hidden are new, from the first one on", () => {
  const unread = createUnread(0);
  unread.look(10);
  for (const entry of chain(11, 13)) unread.arrived(entry, AWAY);
  expect(unread).toMatchObject({ after: 10, seen: 10 });
  unread.look(13);
  unread.arrived(chain(14, 14)[0]!, WATCHED);
  expect(unread).toMatchObject({ after: 10, seen: 14 });
  unread.arrived(chain(15, 15)[0]!, AWAY);
  expect(unread.after).toBe(14);
  unread.clear();
  expect(unread.after).toBeUndefined();
});

test("on a first visit, only what arrives then is new", () => {
  const unread = createUnread(0);
  expect(unread.after).toBeUndefined();
  for (const entry of chain(11, 12)) unread.arrived(entry, AWAY);
  expect(unread.after).toBe(10);
});

test("messages missed in an outage are new if they are too many to read at a glance", () => {
  const unread = createUnread(5);
  unread.clear();
  for (const entry of chain(6, 8)) unread.arrived(entry, MISSED);
  expect(unread).toMatchObject({ after: undefined, seen: 8 });
  unread.arrived(chain(9, 9)[0]!, WATCHED);
  for (const entry of chain(10, 13)) unread.arrived(entry, MISSED);
  expect(unread).toMatchObject({ after: 9, seen: 13 });
});
