/** A median, and between what bounds it lies with the confidence that so few values allow. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** The chance that the true median lies from `low` to `high`: 0.95 or more from six values on. */
  readonly confidence: number;
  readonly values: number;
}

const CONFIDENCE = 0.95;

/** @throws on an empty list */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("no values, no median");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The median and its interval by order statistics: of n values, the chance that the true median
 * lies outside of the k-th smallest and the k-th largest is that of fewer than k heads, or tails,
 * in n throws of a coin. It asks nothing of how the values are spread.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  let from = 0;
  for (let k = 1; k < sorted.length / 2; k++) {
    if (confidenceOf(sorted.length, k) >= CONFIDENCE) from = k;
  }
  return {
    median: median(sorted),
    low: sorted[from]!,
    high: sorted[sorted.length - 1 - from]!,
    confidence: confidenceOf(sorted.length, from),
    values: sorted.length,
  };
}

/** The chance that at least `least` + 1 of `throws` are heads, and as many tails. */
function confidenceOf(throws: number, least: number): number {
  let chance = 2 ** -throws;
  let outside = 0;
  for (let heads = 0; heads <= least; heads++) {
    outside += chance;
    chance *= (throws - heads) / (heads + 1);
  }
  return Math.max(0, 1 - 2 * outside);
}

/**
 * The ratio of two contenders: each round is a pair, since what disturbs a round disturbs both.
 * A round that one of them has not finished does not count.
 *
 * @returns undefined where no round counts
 */
export function ratio(
  of: readonly (number | undefined)[],
  to: readonly (number | undefined)[],
): Estimate | undefined {
  const ratios = of.flatMap((value, round) => {
    const base = to[round];
    return value === undefined || base === undefined ? [] : [value / base];
  });
  return ratios.length === 0 ? undefined : estimate(ratios);
}

export interface Bound {
  /** "least": the figure is to be this or more. "most": this or less. */
  readonly is: "least" | "most";
  readonly at: number;
}

/** A goal counts as met when the interval reaches it. */
export function isMet({ is, at }: Bound, { low, high }: Estimate): boolean {
  return is === "least" ? high >= at : low <= at;
}
