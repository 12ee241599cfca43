import { CONTENDERS } from "./contenders.ts";
import { talk, type TalkPlan } from "./measure.ts";
import type { Entry, Part } from "./part.ts";

/** How the cost of a delivery grows with what a server holds. */

const STEPS = [1, 10, 100, 1000, 10_000];
const TIMING = { warmup: 1.5, seconds: 2 };
const FIGURES = ["CPU µs/delivery", "p50 ms", "p99 ms", "memory MB"];
const ROUNDS = 3;

export function growth(): Part[] {
  return [
    {
      name: "growth-members",
      title: "Cost of a delivery as a channel grows: 10 talk, 1 message in flight each",
      entries: STEPS.slice(1).flatMap((members) =>
        both(members, {
          ...{ connections: members, channels: 1, talkers: 10, textLength: 48 },
          pace: { inFlight: 1 },
        }),
      ),
      ...{ rounds: ROUNDS, figures: FIGURES, goals: [] },
    },
    {
      name: "growth-channels",
      title: "Cost of a delivery as channels grow: one member each, 4,000 messages/s over all",
      entries: STEPS.flatMap((channels) =>
        both(channels, {
          ...{ connections: channels, channels, talkers: 1, textLength: 48 },
          pace: { rate: 4000, hot: true },
        }),
      ),
      ...{ rounds: ROUNDS, figures: FIGURES, goals: [] },
    },
    {
      name: "growth-history",
      title: "Cost of a delivery as history grows: messages kept, a channel of 10 that fills it",
      entries: [0, ...STEPS.slice(1)].map((kept) => ({
        name: `shoal v1, ${kept}`,
        point: { series: "shoal v1", x: kept },
        measure: () =>
          talk(CONTENDERS["shoal v1"], HISTORY, TIMING, { HISTORY_LIMIT: String(kept) }),
      })),
      ...{ rounds: ROUNDS, figures: FIGURES, goals: [] },
    },
  ];
}

const HISTORY: TalkPlan = {
  ...{ connections: 10, channels: 1, talkers: 10, textLength: 48 },
  pace: { inFlight: 4 },
};

function both(x: number, plan: TalkPlan): Entry[] {
  return (["bare", "shoal", "shoal v1"] as const).map((series) => ({
    name: `${series}, ${x}`,
    point: { series, x },
    measure: () => talk(CONTENDERS[series], plan, TIMING),
  }));
}
