import type { Sample } from "./measure.ts";
import type { Bound } from "./stats.ts";

/** One load, who takes part in it, and what they must reach. */

export interface Entry {
  readonly name: string;
  measure(): Promise<Sample>;
  /** Where it lies on a chart of how cost grows. */
  readonly point?: { readonly series: string; readonly x: number };
}

export interface Goal extends Bound {
  readonly of: string;
  /** The ratio to this one's figure; without it, the figure itself. */
  readonly to?: string;
  readonly figure: string;
}

export interface Part {
  readonly name: string;
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly rounds: number;
  /** The figures that the report shows. */
  readonly figures: readonly string[];
  readonly goals: readonly Goal[];
}
