import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PresenceChange } from "../../src/broker/broker.ts";
import { createPresence, GATHER, NAMES_AGAIN, NAMES_MOST } from "../../src/node/presence.ts";

interface Frame {
  count: number;
  names?: string[];
  joined?: string[];
  left?: string[];
}

/** A client's picture of who is there, made of the frames that it was sent. */
class Watcher {
  names: Set<string> | undefined;
  count = -1;
  frames = 0;
  read(frame: Frame): void {
    this.frames++;
    this.count = frame.count;
    if (frame.names !== undefined) this.names = new Set(frame.names);
    else if (frame.joined === undefined) this.names = undefined;
    else {
      for (const name of frame.left!) {
        if (!this.names!.delete(name)) throw new Error(`${name} left, but was not there`);
      }
      for (const name of frame.joined) {
        if (this.names!.has(name)) throw new Error(`${name} joined twice`);
        this.names!.add(name);
      }
    }
  }
}

/** A channel whose truth the test changes. With `later`, its roster is answered by a promise. */
function channel(later = false) {
  const truth = { count: 0, names: new Set<string>() };
  const watching = new Set<Watcher>();
  let now = 0;
  let rosters = 0;
  const presence = createPresence<Watcher>(new Map(), {
    roster() {
      rosters++;
      const roster = () => ({ count: truth.count, names: [...truth.names] });
      return later ? Promise.resolve().then(roster) : roster();
    },
    publish(_, frame) {
      for (const watcher of watching) watcher.read(JSON.parse(frame) as Frame);
    },
    answer(watcher, frame) {
      watching.add(watcher);
      watcher.read(JSON.parse(frame) as Frame);
    },
    failed: (error) => {
      throw error;
    },
  });
  return {
    truth,
    watching,
    rosters: () => rosters,
    ask: (watcher: Watcher) => presence.ask("a", watcher),
    unwatch(watcher: Watcher) {
      watching.delete(watcher);
      presence.unwatch("a", watcher);
    },
    change(change: Omit<PresenceChange, "count"> & { count?: number }) {
      truth.count = change.count ?? truth.count;
      for (const name of change.left ?? []) truth.names.delete(name);
      if (change.joined !== undefined) truth.names.add(change.joined);
      presence.change("a", { ...change, count: truth.count }, now);
    },
    pass(ms: number) {
      now += ms;
      presence.flush(now);
    },
  };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe.each([false, true])("with a roster that comes later: %p", (later) => {
  test("snapshot and changes fit together, however they fall", async () => {
    const step = fc.oneof(
      fc.record({ does: fc.constant("toggle" as const), name: fc.constantFrom("x", "y", "z") }),
      fc.record({ does: fc.constant("rename" as const), name: fc.constantFrom("x", "y", "z") }),
      fc.record({ does: fc.constant("connect" as const), name: fc.constant("") }),
      fc.record({
        does: fc.constantFrom("ask" as const, "unwatch" as const),
        name: fc.constantFrom("0", "1", "2"),
      }),
      fc.record({ does: fc.constantFrom("pass" as const, "tick" as const), name: fc.constant("") }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const room = channel(later);
        const watchers = [new Watcher(), new Watcher(), new Watcher()];
        for (const { does, name } of steps) {
          const there = room.truth.names.has(name);
          if (does === "toggle") room.change(there ? { left: [name] } : { joined: name });
          else if (does === "rename" && there) {
            const upper = name.toUpperCase();
            if (room.truth.names.has(upper)) room.change({ left: [upper] });
            else room.change({ joined: upper, left: [name] });
          } else if (does === "connect") room.change({ count: room.truth.count + 1 });
          else if (does === "ask") room.ask(watchers[Number(name)]!);
          else if (does === "unwatch") room.unwatch(watchers[Number(name)]!);
          else if (does === "pass") room.pass(100);
          else await settled();
        }
        room.pass(GATHER);
        await settled();
        room.pass(GATHER);
        await settled();
        for (const watcher of room.watching) {
          expect(watcher.names).toEqual(room.truth.names);
          expect(watcher.count).toBe(room.truth.count);
        }
      }),
      { numRuns: later ? 150 : 400 },
    );
  });
});

test("who asks in a quiet channel is answered at once", () => {
  const room = channel();
  room.change({ joined: "x", count: 1 });
  const watcher = new Watcher();
  room.ask(watcher);
  expect([watcher.frames, watcher.names]).toEqual([1, new Set(["x"])]);
});

test("5,000 that reconnect within a second, all asking, cost each a few frames", () => {
  const room = channel();
  const watchers = Array.from({ length: 5000 }, () => new Watcher());
  for (const [n, watcher] of watchers.entries()) {
    room.change({ joined: `n${n}`, count: n + 1 });
    room.ask(watcher);
    if (n % 50 === 49) room.pass(10);
  }
  room.pass(GATHER);
  for (const watcher of watchers) {
    expect(watcher.frames).toBeLessThanOrEqual(6);
    expect([watcher.count, watcher.names]).toEqual([5000, undefined]);
  }
  expect(room.rosters()).toBeLessThan(10);
});

test("above 1,000 names only the count is told, until there are 900 again", () => {
  const room = channel();
  const watcher = new Watcher();
  room.ask(watcher);
  for (let n = 0; n < NAMES_MOST; n++) room.change({ joined: `n${n}`, count: n });
  room.pass(GATHER);
  expect(watcher.names?.size).toBe(NAMES_MOST);
  room.change({ joined: "one more" });
  room.pass(GATHER);
  expect(watcher.names).toBeUndefined();
  const late = new Watcher();
  room.ask(late);
  expect(late.names).toBeUndefined();
  const gone = [...room.truth.names].slice(0, NAMES_MOST + 1 - NAMES_AGAIN);
  for (const name of gone) {
    room.pass(GATHER);
    expect(watcher.names).toBeUndefined();
    room.change({ left: [name] });
  }
  room.pass(GATHER);
  expect(watcher.names).toEqual(room.truth.names);
  expect(late.names).toEqual(room.truth.names);
});

test("nothing is told when nothing changed in the end", () => {
  const room = channel();
  const watcher = new Watcher();
  room.ask(watcher);
  room.change({ joined: "x" });
  room.change({ left: ["x"] });
  room.pass(GATHER);
  expect(watcher.frames).toBe(1);
});
