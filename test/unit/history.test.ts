import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHistoryData, History } from "../../src/broker/memory/history.ts";
import { RULES } from "../contract/port.ts";

/** A history with this much memory, and what is asked of it in these tests. */
function open(memory: number, limit = 100) {
  const rules = { ...RULES, history: { limit, ttl: 1000, memory } };
  const data = createHistoryData(0);
  const clock = { now: 1 };
  const read = () => clock.now;
  const history = new History(data, { rules, clock: read, date: read });
  return {
    history,
    data,
    clock,
    say(channel: string, length: number, network?: string) {
      const draft = { holder: {}, text: `"${"x".repeat(length)}"`, user: '"ann"', network };
      return history.post(channel, draft);
    },
    count: (channel: string) => history.page(channel, { limit: 1000 }).messages.length,
  };
}

const MEMORY = 64 * 1024 * 1024;

describe("history: one network that fills the memory", () => {
  /** 300 channels in which people say 20 messages each. */
  function talk(
    { history, say }: ReturnType<typeof open>,
    network: (n: number) => string | undefined,
  ) {
    const channels = Array.from({ length: 300 }, (_, n) => `talk ${n}`);
    for (const [n, channel] of channels.entries()) {
      history.occupy(channel);
      for (let m = 0; m < 20; m++) say(channel, 60, network(n));
      // In half of them, nobody is left.
      if (n % 2 === 0) history.vacate(channel);
    }
    return channels;
  }

  function left({ count }: ReturnType<typeof open>, channels: string[]): number {
    return channels.reduce((sum, channel) => sum + count(channel), 0);
  }

  /** 64 connections, each of which says 200 messages of 8,000 bytes in a channel of its own. */
  function flood({ history, say }: ReturnType<typeof open>, network: string | undefined) {
    for (let n = 0; n < 64; n++) history.occupy(`flood ${n}`);
    for (let m = 0; m < 200; m++) for (let n = 0; n < 64; n++) say(`flood ${n}`, 8000, network);
    for (let n = 0; n < 64; n++) history.vacate(`flood ${n}`);
  }

  test.each([
    ["from addresses of their own", (n: number) => `10.0.0.${n % 200}`, "1.2.3.4"],
    ["all from one address", () => "5.6.7.8", "1.2.3.4"],
    ["all from private addresses, as the flood is", () => undefined, undefined],
  ])("with large messages costs others nothing, %s", (_, theirs, network) => {
    const server = open(MEMORY);
    const channels = talk(server, theirs);
    flood(server, network);
    expect(left(server, channels)).toBe(6000);
    flood(server, network);
    expect(left(server, channels)).toBe(6000);
  });

  test("with many channels costs others nothing", () => {
    const server = open(MEMORY / 8);
    const channels = talk(server, () => "5.6.7.8");
    for (let n = 0; n < 50_000; n++) {
      server.history.occupy(`flood ${n}`);
      server.say(`flood ${n}`, 2, "1.2.3.4");
      server.history.vacate(`flood ${n}`);
    }
    expect(left(server, channels)).toBe(6000);
  });

  test("with many channels costs those in which people are nothing, even of its own", () => {
    const server = open(MEMORY / 8);
    const channels = talk(server, () => undefined);
    for (let n = 0; n < 50_000; n++) {
      server.history.occupy(`flood ${n}`);
      server.say(`flood ${n}`, 2);
      server.history.vacate(`flood ${n}`);
    }
    const occupied = channels.filter((_, n) => n % 2 === 1);
    expect(left(server, occupied)).toBe(3000);
  });

  test("pays for a channel in which it says most, and loses it last", () => {
    const { history, say, count } = open(1_000_000);
    history.occupy("a");
    for (let m = 0; m < 20; m++) say("a", 60, "5.6.7.8");
    for (let m = 0; m < 40; m++) say("a", 8000, "1.2.3.4");
    for (let n = 0; n < 20; n++) for (let m = 0; m < 40; m++) say(`b ${n}`, 8000, "1.2.3.4");
    expect(count("a")).toBe(60);
  });
});

test("history: an idle channel goes before a busy one of its size", () => {
  const { history, say, count } = open(100_000);
  const channels = Array.from({ length: 100 }, (_, n) => `${n}`);
  const busy = channels.slice(0, 20);
  for (const channel of channels) {
    history.occupy(channel);
    say(channel, 100, "1.2.3.4");
    history.vacate(channel);
  }
  for (let n = 0; n < 1000; n++) {
    for (const channel of busy) history.page(channel, { limit: 1 });
    history.occupy(`more ${n}`);
    say(`more ${n}`, 100, "1.2.3.4");
    history.vacate(`more ${n}`);
  }
  expect(busy.filter((channel) => count(channel) > 0).length).toBeGreaterThan(15);
  expect(channels.slice(20).filter((channel) => count(channel) > 0)).toEqual([]);
});

test("history: stays within its memory, and what is kept is an unbroken end, whatever happens", () => {
  const step = fc.record({
    does: fc.constantFrom("join", "leave", "say", "say", "say", "wait"),
    channel: fc.constantFrom("a", "b", "c", "d", "e", "ж"),
    network: fc.constantFrom(undefined, "1.2.3.4", "5.6.7.8"),
    length: fc.nat(2000),
  });
  const memory = fc.constantFrom(0, 3000, 10_000);
  const limit = fc.constantFrom(0, 1, 5, 100);
  fc.assert(
    fc.property(memory, limit, fc.array(step, { maxLength: 150 }), (most, kept, steps) => {
      const { history, data, say, clock } = open(most, kept);
      const inside = new Set<string>();
      const last = new Map<string, number>();
      for (const { does, channel, network, length } of steps) {
        clock.now += does === "wait" ? length : 1;
        if (does === "join" && !inside.has(channel)) history.occupy((inside.add(channel), channel));
        else if (does === "leave" && inside.delete(channel)) history.vacate(channel);
        else if (does === "say") last.set(channel, say(channel, length, network).id);
        else if (does === "wait") history.expire();
        expect(data.accounts.bytes).toBeLessThanOrEqual(most);
        for (const [id, at] of last) {
          const { messages } = history.page(id, { limit: 1000 });
          for (const [n, { prev }] of messages.entries()) {
            if (n > 0) expect(prev).toBe(messages[n - 1]!.id);
          }
          if (messages.length > 0) expect(messages.at(-1)!.id).toBe(at);
          if (messages.length > 0) expect(history.last(id)).toBe(at);
          expect(history.last(id)).toBeGreaterThanOrEqual(at);
        }
      }
      for (const channel of inside) history.vacate(channel);
      clock.now += 10_000;
      history.expire();
      // Nothing is left, and nothing is counted that is not there.
      expect([data.logs.size, data.empty.size, data.accounts.bytes]).toEqual([0, 0, 0]);
      expect([data.accounts.byNetwork.size, data.accounts.rings.length]).toEqual([0, 0]);
    }),
    { numRuns: 500 },
  );
});
