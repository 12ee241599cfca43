import { type ContenderName, CONTENDERS } from "./contenders.ts";
import { firstConnection, idle, type IdlePlan, talk, type TalkPlan } from "./measure.ts";
import { growth } from "./growth.ts";
import type { Entry, Goal, Part } from "./part.ts";

/** What is measured: for each load who takes part, and what they must reach. */

export interface Size {
  /** Whether all is wanted, or what matters most in five minutes. */
  readonly full: boolean;
}

const SPEED = ["deliveries/s", "deliveries/CPU s", "p50 ms", "p99 ms", "p99.9 ms", "memory MB"];
const PACED = ["CPU µs/delivery", "p50 ms", "p99 ms", "p99.9 ms", "server busy"];
const REST = ["KB/connection", "connections/s", "CPU s to connect", "CPU at rest"];
const BACK = ["s to reconnect", "CPU s to reconnect", "peak MB"];
const LATENCY = { figure: "p99 ms", is: "most", at: 1.2 } as const;
const TEXT = 48;

const QUICK: ContenderName[] = [
  ...(["bare", "shoal", "ws", "socket.io"] as const),
  ...(["bare v1", "shoal v1", "ws v1"] as const),
];
const ALL: ContenderName[] = [
  ...QUICK,
  "socket.io v1",
  "bare mix",
  "shoal mix",
  "binary",
  "binary v1",
  "sqlite",
  "sqlite v1",
];

export function partsOf({ full }: Size): Part[] {
  const timing = full ? { warmup: 1, seconds: 2 } : { warmup: 0.35, seconds: 0.55 };
  // The tail of a latency takes enough messages to be seen.
  const tail = full ? { warmup: 1, seconds: 3 } : { warmup: 0.4, seconds: 1.2 };
  // Of nine values, all but the two at the ends make the interval; six need both.
  const rounds = full ? 9 : 6;

  function talks(names: readonly ContenderName[], plan: TalkPlan, time = timing): Entry[] {
    return names.map((name) => ({ name, measure: () => talk(CONTENDERS[name], plan, time) }));
  }

  function speed(name: string, title: string, plan: TalkPlan, against: Against): Part {
    const entries = talks(full ? ALL : QUICK, plan);
    return { name, title, entries, rounds, figures: SPEED, goals: goalsAgainst(against, full) };
  }

  const one = { channels: 1, textLength: TEXT } as const;
  const parts: Part[] = [
    speed(
      "fan-out-32",
      "One channel of 32, all talk, 1 message in flight each",
      { ...one, connections: 32, talkers: 32, pace: { inFlight: 1 } },
      { plain: 0.97, v1: 0.95, node: 15 },
    ),
    speed(
      "fan-out-1000",
      "One channel of 1,000, 10 talk, 1 message in flight each",
      { ...one, connections: 1000, talkers: 10, pace: { inFlight: 1 } },
      { plain: 0.97, v1: 0.95, node: 10 },
    ),
    speed(
      "channels-100x10",
      "100 channels of 10, all talk, 1 message in flight each",
      { channels: 100, connections: 1000, talkers: 10, pace: { inFlight: 1 }, textLength: TEXT },
      { plain: 0.9, v1: 0.85, node: 8 },
    ),
    paced(1000),
    {
      name: "latency-100k",
      title: "10 channels of 32 at 100,000 deliveries/s",
      entries: talks(
        full ? ["bare", "shoal", "bare v1", "shoal v1"] : ["bare", "shoal"],
        {
          channels: 10,
          connections: 320,
          talkers: 32,
          pace: { rate: 3125, hot: true },
          textLength: TEXT,
        },
        tail,
      ),
      rounds,
      figures: PACED,
      goals: [
        { ...LATENCY, of: "shoal", to: "bare" },
        ...(full ? [{ ...LATENCY, of: "shoal v1", to: "bare v1" }] : []),
      ],
    },
    resting(),
    {
      name: "start",
      title: "The compiled binary, from its start to its first connection",
      entries: [{ name: "binary", measure: firstConnection }],
      rounds: full ? 20 : 10,
      figures: ["ms to first connection"],
      goals: [{ of: "binary", figure: "ms to first connection", is: "most", at: 50 }],
    },
  ];
  if (!full) return parts;
  parts.push(
    speed(
      "fan-out-32-deep",
      "One channel of 32, all talk, 8 messages in flight each",
      { ...one, connections: 32, talkers: 32, pace: { inFlight: 8 } },
      { plain: 0.97, v1: 0.95, node: 15 },
    ),
    paced(200),
    {
      name: "quiet-1000",
      title: "One channel of 1,000, 5 messages/s: what a message waits in a quiet channel",
      entries: talks(["bare", "shoal", "shoal, no window"], {
        ...{ ...one, connections: 1000, talkers: 10, pace: { rate: 5, hot: true } },
      }),
      rounds,
      figures: PACED,
      goals: [{ of: "shoal", to: "shoal, no window", figure: "p50 ms", is: "most", at: 1.05 }],
    },
    {
      name: "channels-2000x5",
      title: "2,000 channels of 5 at 4,000 messages/s",
      entries: talks(
        QUICK,
        {
          ...{ channels: 2000, connections: 10_000, talkers: 5, textLength: TEXT },
          pace: { rate: 4000, hot: true },
        },
        tail,
      ),
      rounds,
      figures: PACED,
      goals: [],
    },
    stalled(),
    ...growth(),
  );
  return parts;

  function paced(rate: number): Part {
    const plan = { ...one, connections: 1000, talkers: 100, pace: { rate, hot: true } };
    const more: ContenderName[] = ["shoal, no window", "shoal v1, no window"];
    const names: ContenderName[] = ["bare", "shoal", "bare v1", "shoal v1"];
    return {
      name: `paced-1000-${rate}`,
      title: `One channel of 1,000, 100 talk, ${rate} messages/s: past the ceiling`,
      entries: talks(full ? [...names, ...more] : names, plan),
      rounds,
      figures: PACED,
      goals: [
        { of: "shoal", to: "bare", figure: "CPU µs/delivery", is: "most", at: 0.6 },
        { of: "shoal v1", to: "bare v1", figure: "CPU µs/delivery", is: "most", at: 0.6 },
        { of: "shoal", figure: "p99 ms", is: "most", at: 40 },
        { of: "shoal v1", figure: "p99 ms", is: "most", at: 40 },
      ],
    };
  }

  function resting(): Part {
    const plan: IdlePlan = {
      connections: 18_000,
      channels: 1800,
      rest: full ? 10 : 1,
      reconnect: full,
    };
    const names: ContenderName[] = full
      ? ["bare", "shoal", "shoal v1", "ws", "socket.io"]
      : ["bare", "shoal", "shoal v1"];
    return {
      name: "idle-18000",
      title: `18,000 named connections that say nothing${full ? ", and all reconnect at once" : ""}`,
      entries: names.map((name) => ({ name, measure: () => idle(CONTENDERS[name], plan) })),
      rounds: full ? 6 : 3,
      figures: full ? [...REST, ...BACK] : REST,
      goals: [
        { of: "shoal", to: "bare", figure: "KB/connection", is: "most", at: 1.3 },
        { of: "shoal v1", to: "bare", figure: "KB/connection", is: "most", at: 1.4 },
      ],
    };
  }

  function stalled(): Part {
    // Long texts, so that what nobody reads soon fills the buffers of the kernel.
    const plan = {
      ...one,
      connections: 1000,
      talkers: 10,
      pace: { inFlight: 1 },
      textLength: 2000,
    };
    const none = { ...plan, connections: 990 };
    const some = { ...plan, stalled: 10 };
    const long = { warmup: 3, seconds: 6 };
    return {
      name: "stalled-10-of-1000",
      title: "One channel of 1,000 with texts of 2,000 characters, 10 of them do not read",
      entries: [
        { name: "shoal", measure: () => talk(CONTENDERS.shoal, none, long) },
        { name: "shoal, 10 stalled", measure: () => talk(CONTENDERS.shoal, some, long) },
        { name: "bare", measure: () => talk(CONTENDERS.bare, none, long) },
        { name: "bare, 10 stalled", measure: () => talk(CONTENDERS.bare, some, long) },
      ],
      rounds: 6,
      figures: [...SPEED, "peak MB", "cut"],
      goals: [
        { of: "shoal, 10 stalled", to: "shoal", figure: "deliveries/s", is: "least", at: 0.95 },
        { of: "shoal, 10 stalled", to: "shoal", figure: "peak MB", is: "most", at: 1.5 },
        { of: "shoal, 10 stalled", figure: "cut", is: "least", at: 10 },
      ],
    };
  }
}

/** What is to be reached of the ceiling, and how many times a server on Node. */
interface Against {
  readonly plain: number;
  readonly v1: number;
  readonly node: number;
}

function goalsAgainst({ plain, v1, node }: Against, full: boolean): Goal[] {
  const ceiling = { figure: "deliveries/CPU s", is: "least" } as const;
  const times = { figure: "deliveries/s", is: "least", at: node } as const;
  const goals: Goal[] = [
    { of: "shoal", to: "bare", ...ceiling, at: plain },
    { of: "shoal v1", to: "bare v1", ...ceiling, at: v1 },
    { of: "shoal", to: "ws", ...times },
    { of: "shoal v1", to: "ws v1", ...times },
    { of: "shoal", to: "socket.io", ...times },
  ];
  if (!full) return goals;
  return [
    ...goals,
    { of: "shoal v1", to: "socket.io v1", ...times },
    { of: "binary", to: "bare", ...ceiling, at: plain },
    { of: "binary v1", to: "bare v1", ...ceiling, at: v1 },
  ];
}
