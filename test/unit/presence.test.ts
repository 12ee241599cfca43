import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type PresenceChange, MAX_ROSTER } from "../../src/broker/broker.ts";
import { GATHER, NAMES_AGAIN, Presence } from "../../src/node/presence.ts";

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
  let last = "";
  /** What the broker tells, in one sequence: changes, and the roster as it was when asked for. */
  const told: (() => void)[] = [];
  function tell(run: () => void): void {
    if (later) told.push(run);
    else run();
  }
  const presence = new Presence<Watcher>(new Map(), {
    roster(_, answer) {
      rosters++;
      const names = truth.names.size <= MAX_ROSTER ? [...truth.names] : undefined;
      const roster = { count: truth.count, named: truth.names.size, names };
      tell(() => answer(roster));
    },
    publish(_, frame) {
      for (const watcher of watching) watcher.read(JSON.parse(frame) as Frame);
    },
    answer(watcher, frame) {
      last = frame;
      watching.add(watcher);
      watcher.read(JSON.parse(frame) as Frame);
    },
  });
  return {
    truth,
    watching,
    rosters: () => rosters,
    /** The last answer to one who asked. */
    last: () => last,
    ask: (watcher: Watcher) => presence.ask("a", watcher),
    unwatch(watcher: Watcher) {
      watching.delete(watcher);
      presence.unwatch("a", watcher);
    },
    change(change: Omit<PresenceChange, "count"> & { count?: number }) {
      truth.count = change.count ?? truth.count;
      for (const name of change.left ?? []) truth.names.delete(name);
      if (change.joined !== undefined) truth.names.add(change.joined);
      const { count } = truth;
      tell(() => presence.change("a", { ...change, count }, now));
    },
    /** So much of what the broker has to tell arrives. */
    arrive(share = 1) {
      for (const run of told.splice(0, Math.ceil(share * told.length))) run();
    },
    pass(ms: number) {
      now += ms;
      presence.flush(now);
    },
  };
}

describe.each([false, true])("with a roster that comes later: %p", (later) => {
  test("snapshot and changes fit together, in whatever order they come", () => {
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
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const chat = channel(later);
        const watchers = [new Watcher(), new Watcher(), new Watcher()];
        for (const { does, name } of steps) {
          const there = chat.truth.names.has(name);
          if (does === "toggle") chat.change(there ? { left: [name] } : { joined: name });
          else if (does === "rename" && there) {
            const upper = name.toUpperCase();
            if (chat.truth.names.has(upper)) chat.change({ left: [upper] });
            else chat.change({ joined: upper, left: [name] });
          } else if (does === "connect") chat.change({ count: chat.truth.count + 1 });
          else if (does === "ask") chat.ask(watchers[Number(name)]!);
          else if (does === "unwatch") chat.unwatch(watchers[Number(name)]!);
          else if (does === "pass") chat.pass(100);
          else chat.arrive(0.5);
        }
        for (let round = 0; round < 3; round++) {
          chat.arrive();
          chat.pass(GATHER);
        }
        for (const watcher of chat.watching) {
          expect(watcher.names).toEqual(chat.truth.names);
          expect(watcher.count).toBe(chat.truth.count);
        }
      }),
      { numRuns: 400 },
    );
  });
});

test("a question in a quiet channel is answered at once", () => {
  const chat = channel();
  chat.change({ joined: "x", count: 1 });
  const watcher = new Watcher();
  chat.ask(watcher);
  expect([watcher.frames, watcher.names]).toEqual([1, new Set(["x"])]);
});

test("5,000 that reconnect within a second, and all ask, get a few frames each", () => {
  const chat = channel();
  const watchers = Array.from({ length: 5000 }, () => new Watcher());
  for (const [n, watcher] of watchers.entries()) {
    chat.change({ joined: `n${n}`, count: n + 1 });
    chat.ask(watcher);
    if (n % 50 === 49) chat.pass(10);
  }
  chat.pass(GATHER);
  for (const watcher of watchers) {
    expect(watcher.frames).toBeLessThanOrEqual(6);
    expect([watcher.count, watcher.names]).toEqual([5000, undefined]);
  }
  expect(chat.rosters()).toBeLessThan(10);
});

test("with more than 1,000 names only the count is told, until there are 900 again", () => {
  const chat = channel();
  const watcher = new Watcher();
  chat.ask(watcher);
  for (let n = 0; n < MAX_ROSTER; n++) chat.change({ joined: `n${n}`, count: n });
  chat.pass(GATHER);
  expect(watcher.names?.size).toBe(MAX_ROSTER);
  chat.change({ joined: "one more" });
  chat.pass(GATHER);
  expect(watcher.names).toBeUndefined();
  const late = new Watcher();
  chat.ask(late);
  expect(late.names).toBeUndefined();
  const gone = [...chat.truth.names].slice(0, MAX_ROSTER + 1 - NAMES_AGAIN);
  for (const name of gone) {
    chat.pass(GATHER);
    expect(watcher.names).toBeUndefined();
    chat.change({ left: [name] });
  }
  chat.pass(GATHER);
  expect(watcher.names).toEqual(chat.truth.names);
  expect(late.names).toEqual(chat.truth.names);
});

test("a change that is undone in time is not told", () => {
  const chat = channel();
  const watcher = new Watcher();
  chat.ask(watcher);
  chat.change({ joined: "x" });
  chat.change({ left: ["x"] });
  chat.pass(GATHER);
  expect(watcher.frames).toBe(1);
});

test("one who watches and asks again gets the count and no changes, without a roster", () => {
  const chat = channel();
  chat.change({ joined: "x", count: 3 });
  const watcher = new Watcher();
  chat.ask(watcher);
  const before = chat.rosters();
  for (let n = 0; n < 100; n++) chat.ask(watcher);
  expect(chat.rosters()).toBe(before);
  expect(chat.last()).toBe('{"type":"presence","count":3,"joined":[],"left":[]}');
  expect([watcher.frames, watcher.count, watcher.names]).toEqual([101, 3, new Set(["x"])]);
});

test("newcomers who ask between two changes cost one roster", () => {
  const chat = channel();
  chat.change({ joined: "x", count: 1 });
  for (let n = 0; n < 100; n++) chat.ask(new Watcher());
  expect(chat.rosters()).toBe(1);
  chat.change({ joined: "y", count: 2 });
  for (let n = 0; n < 100; n++) chat.ask(new Watcher());
  chat.pass(GATHER);
  expect(chat.rosters()).toBe(2);
  for (const watcher of chat.watching) expect(watcher.names).toEqual(new Set(["x", "y"]));
});

test("where only the count is told, those who ask cost no roster", () => {
  const chat = channel();
  for (let n = 0; n <= MAX_ROSTER; n++) chat.change({ joined: `n${n}`, count: n + 1 });
  chat.ask(new Watcher());
  const before = chat.rosters();
  for (let n = 0; n < 10; n++) {
    chat.change({ count: 2000 + n });
    chat.ask(new Watcher());
    chat.pass(GATHER);
  }
  expect(chat.rosters()).toBe(before);
  for (const watcher of chat.watching)
    expect([watcher.count, watcher.names]).toEqual([2009, undefined]);
});

test("in a storm of changes only the count is told, and the names again once it is over", () => {
  const chat = channel();
  const most = MAX_ROSTER - 50;
  for (let n = 0; n < most; n++) chat.change({ joined: `n${n}`, count: n + 1 });
  const watchers = Array.from({ length: 200 }, () => new Watcher());
  for (const watcher of watchers) chat.ask(watcher);
  chat.pass(GATHER);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < most; n++) {
      chat.change({ left: [`${"x".repeat(round)}n${n}`], joined: `${"x".repeat(round + 1)}n${n}` });
    }
    chat.pass(GATHER);
    for (const watcher of watchers) expect(watcher.names).toBeUndefined();
  }
  chat.pass(GATHER);
  for (const watcher of watchers) expect(watcher.names).toEqual(chat.truth.names);
});

test("storm after storm does not have all names told to everyone each time", () => {
  const chat = channel();
  const watchers = Array.from({ length: 500 }, () => new Watcher());
  for (let n = 0; n < 1000; n++) chat.change({ joined: `0 ${n}`, count: n + 1 });
  for (const watcher of watchers) chat.ask(watcher);
  let told = 0;
  for (let storm = 1; storm <= 25; storm++) {
    for (let n = 0; n < 101; n++)
      chat.change({ left: [`${storm - 1} ${n}`], joined: `${storm} ${n}` });
    for (let tick = 0; tick < 4; tick++) {
      const before = watchers[0]!.names;
      chat.pass(100);
      if (before === undefined && watchers[0]!.names !== undefined) told++;
    }
  }
  // 10 seconds, and a telling counts as 500,000 changes, of which 400,000 a second are allowed.
  expect(told).toBeWithin(1, 10);
  for (let tick = 0; tick < 20; tick++) chat.pass(100);
  for (const watcher of watchers) expect(watcher.names).toEqual(chat.truth.names);
});
