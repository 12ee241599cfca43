import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { createFanout } from "../../src/fanout.ts";
import { arrive, type Channel } from "../../src/state.ts";

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

function channelOf(plain: number, v1 = 0): Channel {
  return Object.assign(arrive(new Map(), "a"), { plain, v1 });
}

function message(text: string) {
  return { id: 1, prev: 0, text: JSON.stringify(text), user: '"ann"' };
}

/** Lets time pass, timers included. */
function pass(ms: number): void {
  for (let step = 0; step < ms; step++) {
    now++;
    jest.advanceTimersByTime(1);
  }
}

beforeEach(() => {
  jest.useFakeTimers();
  now = 1000;
  sent = [];
});
afterEach(() => void jest.useRealTimers());

const fanoutOf = (window: number) => createFanout(publish, { window, clock: () => now });

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
  test("sends at once what finds it quiet", () => {
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
    for (let n = 0; n < 40; n++) {
      fanout.message(channel, message(`${n}`));
      pass(1);
    }
    pass(10);
    expect(sent.map(({ text }) => Number(text))).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(new Set(sent.map(({ at }) => at)).size).toBeLessThanOrEqual(6);
    for (const { at, text } of sent) expect(at - 1000 - Number(text)).toBeLessThanOrEqual(13);
  });

  test("waits no longer when no more come", () => {
    const fanout = fanoutOf(20);
    const channel = channelOf(1000);
    // Ten people who each wait for their own message to come back.
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 10; n++) fanout.message(channel, message(`${n}`));
      const before = now;
      while (channel.gathered.length > 0) pass(1);
      expect(now - before).toBeLessThanOrEqual(4);
    }
    // Messages that come in steady steps are waited for.
    sent = [];
    for (let n = 0; n < 40; n++) {
      fanout.message(channel, message(`${n}`));
      pass(4);
    }
    pass(20);
    const sends = new Set(sent.map(({ at }) => at)).size;
    expect(sends).toBeLessThan(15);
    expect(sent.map(({ text }) => Number(text))).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  test("sends before Bun's own flush at 32", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    for (let n = 0; n < 32; n++) fanout.message(channel, message(`${n}`));
    expect(sent.length).toBe(32);
    fanout.message(channel, message("next"));
    expect(sent.length).toBe(32);
  });

  test("sends what it has gathered when it is told to, and when it gets small", () => {
    const fanout = fanoutOf(10);
    const channel = channelOf(1000);
    for (const text of ["1", "2", "3"]) fanout.message(channel, message(text));
    expect(sent.length).toBe(1);
    fanout.flush(channel);
    expect(sent.length).toBe(3);
    fanout.message(channel, message("4"));
    channel.plain = 5;
    fanout.message(channel, message("5"));
    expect(sent.map(({ text }) => text)).toEqual(["1", "2", "3", "4", "5"]);
    channel.plain = 1000;
    fanout.message(channel, message("6"));
    fanout.flushAll();
    pass(100);
    expect(sent.map(({ text }) => text)).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  test("never gathers with a window of 0, and a small one never does", () => {
    const never = fanoutOf(0);
    const [large, small] = [channelOf(1000), channelOf(32)];
    for (let n = 0; n < 10; n++) never.message(large, message(`${n}`));
    const fanout = fanoutOf(10);
    for (let n = 0; n < 10; n++) fanout.message(small, message(`${n}`));
    expect(sent.length).toBe(20);
  });
});
