import { describe, expect, test } from "bun:test";
import { estimate, isMet, median, ratio } from "../bench/stats.ts";

describe("an estimate", () => {
  test("is the middle value, or the mean of the middle two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow();
  });

  test("of few values spans them all, and states its confidence", () => {
    expect(estimate([5])).toEqual({ median: 5, low: 5, high: 5, confidence: 0, values: 1 });
    expect(estimate([1, 2, 3])).toMatchObject({ low: 1, high: 3, confidence: 0.75 });
    expect(estimate([6, 5, 4, 3, 2, 1])).toMatchObject({ low: 1, high: 6, confidence: 0.96875 });
  });

  test("of more values leaves out as many at each end as 95 % allow", () => {
    // Tables of the sign test: the 2nd of 9, the 3rd of 12, the 6th of 20.
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    expect(estimate(upTo(8))).toMatchObject({ low: 1, high: 8 });
    expect(estimate(upTo(9))).toMatchObject({ low: 2, high: 8 });
    expect(estimate(upTo(12))).toMatchObject({ low: 3, high: 10 });
    expect(estimate(upTo(20))).toMatchObject({ low: 6, high: 15 });
  });
});

describe("a ratio", () => {
  test("pairs the rounds, so that noise in both cancels out", () => {
    const base = [100, 50, 200, 80, 120, 90];
    const half = base.map((value) => value / 2);
    expect(ratio(half, base)).toMatchObject({ median: 0.5, low: 0.5, high: 0.5 });
  });

  test("uses the rounds that both have", () => {
    expect(ratio([1, undefined, 3, 8], [2, 2, undefined, 4])).toMatchObject({ low: 0.5, high: 2 });
    expect(ratio([1], [])).toBeUndefined();
  });

  test("meets a goal when its interval reaches it", () => {
    const between = { median: 0.96, low: 0.95, high: 0.98, confidence: 0.95, values: 9 };
    expect(isMet({ is: "least", at: 0.97 }, between)).toBe(true);
    expect(isMet({ is: "least", at: 0.99 }, between)).toBe(false);
    expect(isMet({ is: "most", at: 0.95 }, between)).toBe(true);
    expect(isMet({ is: "most", at: 0.94 }, between)).toBe(false);
  });
});
