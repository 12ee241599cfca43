import { mkdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { barChart, lineChart } from "./chart.ts";
import { pinSelf } from "./contenders.ts";
import type { Part } from "./part.ts";
import { partsOf } from "./parts.ts";
import {
  asText,
  circumstances,
  figuresTable,
  goalText,
  markdown,
  shown,
  verdictsTable,
} from "./report.ts";
import { faultsOf, type Outcome, run, valuesOf, verdicts } from "./rounds.ts";
import { estimate, median } from "./stats.ts";

/** `bun run bench`: compares Shoal with what people would use instead, and with the ceiling. */

const ROOT = resolve(import.meta.dir, "../..");
const RESULTS = join(ROOT, "bench-results");

/** Above this load a core, as the system averages it over a minute, others get in the way. */
const QUIET = 0.3;

const loadBefore = loadavg()[0]!;

export const BENCHMARK_HELP = `Usage: bun run bench [options]

Compares Shoal with what people would use instead, and with the ceiling.

  --full           everything; otherwise only what matters most, in about five minutes
  --only <name>    the part with this name, or all that contain it; can be repeated
  --rounds <n>     rounds of each part
  --list           the names of the parts
`;

interface Options {
  readonly full: boolean;
  readonly only: readonly string[];
  readonly rounds: number | undefined;
  readonly list: boolean;
}

/** @throws with a sentence about what is wrong with the arguments */
function read(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      full: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      list: { type: "boolean", default: false },
    },
  });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new Error("--rounds must be a whole number above 0.");
  }
  return { ...values, rounds };
}

/** Finds the parts of `--full` by their names without it, too. */
function wanted({ full, only }: Options): Part[] {
  const parts = partsOf({ full });
  if (only.length === 0) return parts;
  const rest = partsOf({ full: true }).filter(({ name }) =>
    parts.every((one) => one.name !== name),
  );
  const all = [...parts, ...rest];
  const chosen = only.flatMap((part) => {
    const exact = all.filter(({ name }) => name === part);
    return exact.length > 0 ? exact : all.filter(({ name }) => name.includes(part));
  });
  return [...new Set(chosen)];
}

function chartOf(outcome: Outcome): string | undefined {
  const { part } = outcome;
  const figure = part.figures.includes("deliveries/CPU s") ? "deliveries/CPU s" : part.figures[0]!;
  if (part.entries.every(({ point }) => point === undefined)) {
    const bars = part.entries.flatMap(({ name }) => {
      const values = valuesOf(outcome, name, figure);
      if (values.length === 0) return [];
      const { median: value, low, high } = estimate(values);
      return [{ label: name, value, low, high }];
    });
    return bars.length === 0 ? undefined : barChart(`${part.title}: ${figure}`, bars, shown);
  }
  const series = new Map<string, { x: number; y: number }[]>();
  for (const { name, point } of part.entries) {
    const values = valuesOf(outcome, name, figure);
    if (point === undefined || values.length === 0) continue;
    const points = series.get(point.series) ?? [];
    series.set(point.series, [...points, { x: point.x, y: median(values) }]);
  }
  const lines = Array.from(series, ([label, points]) => ({ label, points }));
  return lines.length === 0 ? undefined : lineChart(part.title, lines, figure);
}

async function write(outcomes: readonly Outcome[]): Promise<void> {
  mkdirSync(RESULTS, { recursive: true });
  const command = ["bun run bench", ...Bun.argv.slice(2)].join(" ");
  const facts = circumstances(command, loadBefore);
  const charts = new Map<string, string>();
  for (const outcome of outcomes) {
    const chart = chartOf(outcome);
    if (chart === undefined) continue;
    const file = `${outcome.part.name}.svg`;
    charts.set(outcome.part.name, file);
    await Bun.write(join(RESULTS, file), chart);
  }
  await Bun.write(join(RESULTS, "report.md"), markdown(facts, outcomes, charts));
  const parts = outcomes.map((outcome) => ({
    name: outcome.part.name,
    title: outcome.part.title,
    samples: Object.fromEntries(outcome.samples),
    goals: verdicts(outcome).map((verdict) => ({ text: goalText(verdict.goal), ...verdict })),
  }));
  await Bun.write(join(RESULTS, "results.json"), JSON.stringify({ ...facts, parts }, null, 1));
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/** Builds the binary, measures the parts and writes the report. @param args the options */
export async function benchmark(args: string[]): Promise<void> {
  const options = read(args);
  const { rounds } = options;
  const parts = wanted(options);
  if (options.list) return console.log(parts.map(({ name }) => name).join("\n"));
  if (parts.length === 0) throw new Error("No part has this name. See --list.");
  const build = Bun.spawnSync([process.execPath, "run", "prod"], { cwd: ROOT, stdout: "ignore" });
  if (!build.success) throw new Error(`Cannot build the binary:\n${build.stderr}`);
  pinSelf();
  if (loadBefore / cpus().length > QUIET) {
    console.log(
      `This machine is busy, with a load of ${shown(loadBefore)}: expect wide intervals.`,
    );
  }

  const outcomes: Outcome[] = [];
  for (const part of parts) {
    console.log(`\n${part.title} (${part.name})\n`);
    const outcome = await run(rounds === undefined ? part : { ...part, rounds }, progress);
    progress("");
    outcomes.push(outcome);
    console.log(asText(figuresTable(outcome)));
    for (const fault of faultsOf(outcome)) console.log(`A round without figures: ${fault}`);
    const found = verdicts(outcome);
    if (found.length > 0) console.log(`\n${asText(verdictsTable(found))}`);
    // After each part, so that what was measured outlives an interrupt.
    await write(outcomes);
  }
  console.log(`\n* the load was the limit, not the server\nThe report: ${RESULTS}/report.md`);
}
