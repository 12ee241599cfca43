import type { Sample } from "./measure.ts";
import type { Entry, Goal, Part } from "./part.ts";
import { type Estimate, isMet, ratio } from "./stats.ts";

/** Rounds: everybody in turn, again and again, so that what disturbs the machine disturbs all. */

export interface Outcome {
  readonly part: Part;
  /** Of each entry, a sample a round. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

/** @param progress receives what is measured next */
export async function run(part: Part, progress: (line: string) => void): Promise<Outcome> {
  const { entries, rounds } = part;
  const samples = new Map<string, Sample[]>(entries.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      // Somebody else begins each round.
      const entry = entries[(turn + round) % entries.length]!;
      progress(`${part.name}: round ${round + 1} of ${rounds}, ${entry.name}`);
      samples.get(entry.name)!.push(await measured(entry));
    }
  }
  return { part, samples };
}

/** One measurement that fails does not end all. */
async function measured(entry: Entry): Promise<Sample> {
  try {
    return await entry.measure();
  } catch (error) {
    return { figures: {}, limited: false, fault: (error as Error).message };
  }
}

/** The values of one figure, round by round. */
function roundsOf({ samples }: Outcome, entry: string, figure: string): (number | undefined)[] {
  return samples.get(entry)?.map(({ figures }) => figures[figure]) ?? [];
}

/** The values of one figure; empty where the system does not tell. */
export function valuesOf(outcome: Outcome, entry: string, figure: string): number[] {
  return roundsOf(outcome, entry, figure).filter((value) => value !== undefined);
}

/** What went wrong, by entry. */
export function faultsOf({ samples }: Outcome): string[] {
  return Array.from(samples).flatMap(([entry, all]) =>
    all.flatMap(({ fault }, round) =>
      fault === undefined ? [] : [`${entry}, round ${round + 1}: ${fault}`],
    ),
  );
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
    const of = roundsOf(outcome, goal.of, goal.figure);
    const to = goal.to === undefined ? undefined : roundsOf(outcome, goal.to, goal.figure);
    const found = ratio(of, to ?? of.map(() => 1));
    if (found === undefined) return { part, goal, estimate: undefined, met: false };
    return { part, goal, estimate: found, met: isMet(goal, found) };
  });
}
