import { expect, test } from "bun:test";
import fc from "fast-check";
import { rate, spend, take, waitFor } from "../../src/protocol/bucket.ts";

test("lets a burst through, then as many as come back", () => {
  const limit = rate(10, 3);
  let fullAt = 0;
  const tryAt = (now: number) => {
    const next = take(limit, fullAt, now);
    if (next !== -1) fullAt = next;
    return next !== -1;
  };
  expect([1000, 1000, 1000, 1000].map(tryAt)).toEqual([true, true, true, false]);
  expect(tryAt(1099)).toBe(false);
  expect(tryAt(1100)).toBe(true);
  expect(tryAt(1100)).toBe(false);
  expect([9000, 9000, 9000, 9000].map(tryAt)).toEqual([true, true, true, false]);
});

test("a rate of 0 is no limit", () => {
  const limit = rate(0, 1);
  let fullAt = 0;
  for (let n = 0; n < 1000; n++) {
    fullAt = take(limit, fullAt, 5);
    expect(fullAt).not.toBe(-1);
  }
});

test("in any span of time no more passes than the burst and the rate allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }),
      (perSecond, burst, pauses) => {
        const limit = rate(perSecond, burst);
        const passed: number[] = [];
        let fullAt = 0;
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          const next = take(limit, fullAt, now);
          if (next === -1) continue;
          fullAt = next;
          passed.push(now);
        }
        for (let first = 0; first < passed.length; first++) {
          const span = passed.at(-1)! - passed[first]!;
          expect(passed.length - first).toBeLessThanOrEqual(
            burst + (span * perSecond) / 1000 + 1e-3,
          );
        }
      },
    ),
  );
});

test("waitFor tells when take finds the next token", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 5000 }),
      (perSecond, burst, fullAt) => {
        const limit = rate(perSecond, burst);
        const wait = waitFor(limit, fullAt, 1000);
        expect(take(limit, fullAt, 1000) === -1).toBe(wait > 0);
        expect(take(limit, fullAt, 1000 + wait)).not.toBe(-1);
      },
    ),
  );
});

test("spend goes below empty once, and waits until that is made up for", () => {
  const limit = rate(10, 20);
  const first = spend(limit, 0, 1000, 15);
  const second = spend(limit, first, 1000, 15);
  expect(spend(limit, second, 1000, 1)).toBe(-1);
  expect(spend(limit, second, 1999, 1)).toBe(-1);
  expect(spend(limit, second, 2001, 1)).not.toBe(-1);
  expect(spend(rate(0, 1), 0, 1000, 1e9)).not.toBe(-1);
});
