import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import fc from "fast-check";
import { socketAudiences } from "../../src/node/audiences.ts";
import { type Channel, groupOf, hold } from "../../src/node/channels.ts";
import { Fanout } from "../../src/node/fanout.ts";

interface Sent {
  at: number;
  topic: string;
  text: string;
}

let now = 0;
let sent: Sent[] = [];
const publish = (topic: string, frame: string) => {
  sent.push({ at: now, topic, text: (JSON.parse(frame) as { text: string }).text });
};

const audiences = socketAudiences(publish);

function channelOf(plain: number, v1 = 0): Channel {
  const channel = hold(new Map(), "a");
  groupOf(channel, audiences.plain).count = plain;
  groupOf(channel, audiences.v1).count = v1;
  return channel;
}

/** From now on so many plain sockets listen. */
function resize(channel: Channel, plain: number): void {
  groupOf(channel, audiences.plain).count = plain;
}

function message(text: string) {
  return { id: 1, prev: 0, timestamp: 0, text: JSON.stringify(text), user: '"ann"' };
}

let turns: (() => void)[] = [];

/** Ends this turn of the event loop. */
function turn(): void {
  for (const run of turns.splice(0)) run();
}

/** Lets time pass, timers included, a turn each millisecond. */
function pass(ms: number): void {
  for (let step = 0; step < ms; step++) {
    turn();
    now++;
    jest.advanceTimersByTime(1);
  }
  turn();
}

const texts = () => sent.map(({ text }) => text);
/** How many sends to everybody there were. */
const sends = () => new Set(sent.map(({ at }) => at)).size;
const upTo = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

beforeEach(() => {
  jest.useFakeTimers();
  now = 1000;
  sent = [];
  turns = [];
});
afterEach(() => void jest.useRealTimers());

const fanoutOf = (window: number) =>
  new Fanout({ window, clock: () => now, nextTurn: (run) => void turns.push(run) });

describe("encodings", () => {
  test("are made for those who read them, each once", () => {
    const fanout = fanoutOf(10);
    fanout.message(channelOf(2), message("1"));
    fanout.message(channelOf(0, 3), message("2"));
    fanout.message(channelOf(1, 1), message("3"));
    fanout.message(channelOf(0, 0), message("4"));
    expect(sent.map(({ topic, text }) => `${topic} ${text}`)).toEqual([
      "plain/a 1",
      "v1/a 2",
      "plain/a 3",
      "v1/a 3",
    ]);
  });
});

describe("a large channel", () => {
  test("sends a message at once while it is quiet", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    for (let n = 0; n < 5; n++) {
      fanout.message(channel, message(`${n}`));
      expect(sent.length).toBe(n + 1);
      pass(10);
    }
    expect(sent.length).toBe(5);
  });

  test("gathers what follows within the window, and keeps the order", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    for (const text of upTo(40)) {
      fanout.message(channel, message(text));
      pass(1);
    }
    pass(10);
    expect(texts()).toEqual(upTo(40));
    expect(sends()).toBeLessThanOrEqual(5);
    for (const { at, text } of sent) expect(at - 1000 - Number(text)).toBeLessThanOrEqual(10);
  });

  test("sends at once what comes in the same turn as a send", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    for (const text of ["1", "2", "3"]) fanout.message(channel, message(text));
    expect(texts()).toEqual(["1", "2", "3"]);
    turn();
    fanout.message(channel, message("4"));
    expect(texts()).toEqual(["1", "2", "3"]);
    fanout.flush(channel);
    fanout.message(channel, message("5"));
    expect(texts()).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("rarely waits if everyone waits for their own message", () => {
    const fanout = fanoutOf(20);
    const channel = channelOf(1000);
    const rounds = 200;
    let waited = 0;
    for (let round = 0; round < rounds; round++) {
      // Ten people, whose next messages come when they have seen their last.
      for (const text of upTo(10)) fanout.message(channel, message(text));
      const before = now;
      while (sent.length < 10 * (round + 1)) pass(1);
      waited += now - before;
      pass(2);
    }
    expect(waited).toBeLessThanOrEqual(20 * 8);

    // When messages come in steady steps again, they are soon waited for again.
    sent = [];
    for (const text of upTo(400)) {
      fanout.message(channel, message(text));
      pass(2);
    }
    pass(20);
    expect(texts()).toEqual(upTo(400));
    expect(sends()).toBeLessThan(120);
  });

  test("sends before Bun's own flush at 32", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    fanout.message(channel, message("first"));
    turn();
    for (const text of upTo(30)) fanout.message(channel, message(text));
    expect(sent.length).toBe(1);
    fanout.message(channel, message("30"));
    expect(texts()).toEqual(["first", ...upTo(31)]);
  });

  test("sends what it has gathered when it is told to, and when it gets small", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    function say(text: string): void {
      turn();
      fanout.message(channel, message(text));
    }
    for (const text of ["1", "2", "3"]) say(text);
    expect(texts()).toEqual(["1"]);
    fanout.flush(channel);
    expect(texts()).toEqual(["1", "2", "3"]);
    say("4");
    expect(sent.length).toBe(3);
    resize(channel, 5);
    say("5");
    expect(texts()).toEqual(["1", "2", "3", "4", "5"]);
    resize(channel, 1000);
    say("6");
    expect(sent.length).toBe(5);
    fanout.flushAll();
    pass(100);
    expect(texts()).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  test("never gathers with a window of 0, and a small one never does", () => {
    const never = fanoutOf(0);
    const [large, small] = [channelOf(1000), channelOf(32)];
    for (const text of upTo(10)) {
      never.message(large, message(text));
      turn();
    }
    const fanout = fanoutOf(10);
    for (const text of upTo(10)) {
      fanout.message(small, message(text));
      turn();
    }
    expect(texts()).toEqual([...upTo(10), ...upTo(10)]);
  });
});

test("whatever happens, all is sent once, in order, and within the window", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant("say" as const) },
    { weight: 2, arbitrary: fc.constant("turn" as const) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 30 }) },
    { weight: 1, arbitrary: fc.constantFrom("flush" as const, "grow" as const, "shrink" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      sent = [];
      turns = [];
      const window = 10;
      const fanout = fanoutOf(window);
      const channel = channelOf(1000);
      const saidAt: number[] = [];
      for (const next of steps) {
        if (next === "say") {
          fanout.message(channel, message(`${saidAt.length}`));
          saidAt.push(now);
        } else if (next === "turn") turn();
        else if (next === "flush") fanout.flush(channel);
        else if (next === "grow") resize(channel, 1000);
        else if (next === "shrink") resize(channel, 5);
        else pass(next);
        expect(texts()).toEqual(upTo(sent.length));
      }
      pass(window);
      expect(texts()).toEqual(upTo(saidAt.length));
      for (const [n, { at }] of sent.entries()) {
        expect(at - saidAt[n]!).toBeLessThanOrEqual(window);
      }
    }),
    { numRuns: 1000 },
  );
});
