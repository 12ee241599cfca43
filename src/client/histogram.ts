/**
 * Latencies, counted in buckets whose width is at most 1/32 of their value. Recording allocates
 * nothing, so it can be done for every delivery.
 */
export interface Histogram {
  /** @param micros microseconds, from 0 up to 2^31 */
  record(micros: number): void;
  clear(): void;
  /** How many were recorded. */
  readonly count: number;
  /**
   * @param share from 0 to 1: 0.99 for the value that 99 % do not exceed
   * @returns milliseconds; 0 where nothing was recorded
   */
  quantile(share: number): number;
}

/** Values below this have a bucket each; above it, each doubling has this many. */
const FINE = 32;
const FINE_BITS = 5;
const BUCKETS = FINE * (31 - FINE_BITS + 1);

export function createHistogram(): Histogram {
  const buckets = new Float64Array(BUCKETS);
  let count = 0;
  return {
    record(micros) {
      const value = micros > 0 ? micros | 0 : 0;
      count++;
      buckets[bucketOf(value)]!++;
    },
    clear() {
      buckets.fill(0);
      count = 0;
    },
    get count() {
      return count;
    },
    quantile(share) {
      const wanted = Math.max(1, Math.ceil(share * count));
      let seen = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        seen += buckets[bucket]!;
        if (seen >= wanted) return middleOf(bucket) / 1000;
      }
      return 0;
    },
  };
}

function bucketOf(value: number): number {
  if (value < FINE) return value;
  const shift = 31 - Math.clz32(value) - FINE_BITS;
  return shift * FINE + (value >>> shift);
}

/** The middle of a bucket's values, in microseconds. */
function middleOf(bucket: number): number {
  if (bucket < FINE) return bucket;
  const shift = Math.floor(bucket / FINE) - 1;
  return ((bucket % FINE) + FINE + 0.5) * 2 ** shift;
}
