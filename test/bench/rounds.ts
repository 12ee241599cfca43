import type { Sample } from "./measure.ts";
import type { Goal, Part } from "./parts.ts";
import { type Estimate, estimate, isMet, ratio } from "./stats.ts";

/** Rounds: everybody in turn, again and again, so that what disturbs the machine disturbs all. */

export interface Outcome {
  readonly part: Part;
  /** Of each entry, a sample a round. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

/** @param progress is told what is measured next */
export async function run(part: Part, progress: (line: string) => void): Promise<Outcome> {
  const { entries, rounds } = part;
  const samples = new Map<string, Sample[]>(entries.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      // Somebody else begins each round.
      const entry = entries[(turn + round) % entries.length]!;
      progress(`${part.name}: round ${round + 1} of ${rounds}, ${entry.name}`);
      samples.get(entry.name)!.push(await entry.measure());
    }
  }
  return { part, samples };
}

/** The values of one figure; empty where the system does not tell. */
export function valuesOf({ samples }: Outcome, entry: string, figure: string): number[] {
  const values = samples.get(entry)?.map(({ figures }) => figures[figure]) ?? [];
  return values.filter((value) => value !== undefined);
}

/** Whether the load was the limit in half of an entry's rounds or more. */
export function isLimited({ samples }: Outcome, entry: string): boolean {
  const rounds = samples.get(entry) ?? [];
  return rounds.filter(({ limited }) => limited).length * 2 >= rounds.length;
}

export interface Verdict {
  /** The name of the part that it belongs to. */
  readonly part: string;
  readonly goal: Goal;
  /** undefined where the system does not tell. */
  readonly estimate: Estimate | undefined;
  readonly met: boolean;
}

export function verdicts(outcome: Outcome): Verdict[] {
  const { name: part, goals } = outcome.part;
  return goals.map((goal) => {
    const of = valuesOf(outcome, goal.of, goal.figure);
    const to = goal.to === undefined ? undefined : valuesOf(outcome, goal.to, goal.figure);
    if (of.length === 0 || to?.length === 0) return { part, goal, estimate: undefined, met: false };
    const found = to === undefined ? estimate(of) : ratio(of, to);
    return { part, goal, estimate: found, met: isMet(goal, found) };
  });
}
