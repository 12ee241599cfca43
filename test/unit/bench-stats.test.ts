import { describe, expect, test } from "bun:test";
import { createHistogram } from "../../src/client/histogram.ts";
import { estimate, isMet, median, ratio } from "../bench/stats.ts";

describe("an estimate", () => {
  test("has the middle value, or the mean of the middle two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow();
  });

  test("of few values spans them all, and says how sure that is", () => {
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
  test("pairs the rounds, so that what disturbs both does not count", () => {
    const base = [100, 50, 200, 80, 120, 90];
    const half = base.map((value) => value / 2);
    expect(ratio(half, base)).toMatchObject({ median: 0.5, low: 0.5, high: 0.5 });
  });

  test("is of the rounds that both have had", () => {
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

describe("a histogram", () => {
  test("tells small values exactly and large ones to 2 %", () => {
    const histogram = createHistogram();
    histogram.record(7);
    expect(histogram.quantile(0.5)).toBe(0.007);
    for (const micros of [32, 63, 64, 1000, 123_456, 59_000_000, 2 ** 31 - 1]) {
      histogram.clear();
      histogram.record(micros);
      expect(Math.abs(histogram.quantile(1) * 1000 - micros) / micros).toBeLessThan(0.02);
    }
  });

  test("finds the value that a share does not exceed", () => {
    const histogram = createHistogram();
    expect(histogram.quantile(0.99)).toBe(0);
    for (let micros = 1; micros <= 30; micros++) histogram.record(micros);
    expect(histogram.count).toBe(30);
    expect(histogram.quantile(0.5)).toBe(0.015);
    expect(histogram.quantile(0)).toBe(0.001);
    expect(histogram.quantile(1)).toBe(0.03);
  });

  test("takes a time before the beginning as none", () => {
    const histogram = createHistogram();
    histogram.record(-5);
    expect(histogram.quantile(1)).toBe(0);
  });
});
