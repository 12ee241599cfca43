import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { backoff } from "../../src/client/backoff.ts";
import { readBundle } from "../../src/client/bundle.ts";
import { judge } from "../../src/client/inbox.ts";
import { type Limits, pace } from "../../src/client/pace.ts";
import { roster } from "../../src/client/roster.ts";

describe("backoff", () => {
  test("doubles its range from 1 s to 30 s", () => {
    const most = [0, 1, 2, 3, 4, 5, 6].map((tries) => Math.round(backoff(tries, () => 1)));
    expect(most).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(backoff(9, () => 0)).toBe(100);
  });

  test("stays in its range after any number of tries", () => {
    const number = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(5000), number, (tries, random) => {
        const wait = backoff(tries, () => random);
        expect(wait).toBeGreaterThanOrEqual(100);
        expect(wait).toBeLessThanOrEqual(30_000);
      }),
    );
  });
});

describe("pace", () => {
  /** When each of so many frames would go out, in milliseconds. */
  function times(limits: Limits, frames: number): number[] {
    const found: number[] = [];
    let now = 0;
    let fullAt = 0;
    while (found.length < frames) {
      const room = pace(limits, fullAt, now);
      if ("wait" in room) now += room.wait;
      else {
        fullAt = room.fullAt;
        found.push(now);
      }
    }
    return found;
  }

  test("lets a burst go at once, then one frame after the other", () => {
    const [first, ...others] = times({ rate: 10, burst: 10 }, 20);
    expect(first).toBe(0);
    expect(others.filter((time) => time === 0)).toHaveLength(7);
    expect(others.at(-1)).toBeCloseTo((12 * 1000) / 8.5);
  });

  test("knows no limit where there is none", () => {
    expect(times({ rate: 0, burst: 1 }, 1000).at(-1)).toBe(0);
  });

  test("never sends more than the server allows, over any span", () => {
    const limits = fc.record({
      rate: fc.double({ min: 0.5, max: 100, noNaN: true }),
      burst: fc.integer({ min: 1, max: 60 }),
    });
    fc.assert(
      fc.property(limits, ({ rate, burst }) => {
        const sent = times({ rate, burst }, 150);
        sent.forEach((start, at) => {
          const seconds = (sent.at(-1)! - start) / 1000;
          expect(sent.length - at).toBeLessThanOrEqual(burst + rate * seconds + 1e-6);
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe("judge", () => {
  test("follows the chain", () => {
    expect(judge(0, { id: 5, prev: 0 })).toBe("deliver");
    expect(judge(5, { id: 5, prev: 0 })).toBe("double");
    expect(judge(5, { id: 4, prev: 3 })).toBe("double");
    expect(judge(5, { id: 9, prev: 5 })).toBe("deliver");
    expect(judge(5, { id: 9, prev: 7 })).toBe("gap");
  });

  test("delivers each message of a chain once and in order, however often it comes", () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 1e9 }), { minLength: 1 });
    fc.assert(
      fc.property(ids, fc.infiniteStream(fc.nat()), (unsorted, dice) => {
        const chain = unsorted
          .sort((a, b) => a - b)
          .map((id, at, all) => ({ id, prev: all[at - 1] ?? 0 }));
        const delivered: number[] = [];
        let last = 0;
        for (let at = 0; at < chain.length; at++) {
          const message = chain[at]!;
          const verdict = judge(last, message);
          expect(verdict).not.toBe("gap");
          if (verdict === "deliver") delivered.push((last = message.id));
          // Now and then it begins again at an earlier one, as after a reconnect.
          if (dice.next().value % 4 === 0 && delivered.length < 2 * chain.length) {
            const back = dice.next().value % (at + 1);
            for (const again of chain.slice(back, at + 1))
              expect(judge(last, again)).toBe("double");
          }
        }
        expect(delivered).toEqual(chain.map(({ id }) => id));
      }),
    );
  });
});

describe("roster", () => {
  const known = { count: 3, names: ["ann", "bob"] };

  test("begins with the whole", () => {
    expect(roster(undefined, known)).toEqual(known);
  });

  test("follows the changes", () => {
    const frame = { count: 4, joined: ["cat", "Bob"], left: ["bob"] };
    expect(roster(known, frame)).toEqual({ count: 4, names: ["ann", "cat", "Bob"] });
    expect(roster(known, { count: 9, joined: [], left: [] })).toEqual({
      count: 9,
      names: ["ann", "bob"],
    });
  });

  test("knows no names where there are too many, until all are told again", () => {
    expect(roster(known, { count: 2000 })).toEqual({ count: 2000, names: undefined });
    const unknown = { count: 2000, names: undefined };
    expect(roster(unknown, { count: 1, joined: ["x"], left: [] })).toEqual({
      count: 1,
      names: undefined,
    });
    expect(roster(unknown, known)).toEqual(known);
  });
});

describe("the bundle", () => {
  test("is one module under 6 KB gzipped, without the checks of the server", () => {
    const bundle = readBundle();
    expect(gzipSync(bundle).byteLength).toBeLessThan(6 * 1024);
    expect(bundle).not.toContain("import");
    expect(bundle).not.toMatch(/typebox/i);
    expect(bundle).toMatch(/export\s*\{\w+ as connect\}/);
  });
});
