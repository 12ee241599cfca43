import { cpus, release, totalmem, type } from "node:os";
import { version } from "../../package.json";
import { pinned } from "./contenders.ts";
import type { Goal } from "./part.ts";
import { faultsOf, isLimited, type Outcome, valuesOf, type Verdict, verdicts } from "./rounds.ts";
import { median } from "./stats.ts";

/** What was measured, as text and as Markdown. */

export interface Circumstances {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly pinned: string;
  /** How many processes wanted a core at the beginning, averaged over a minute. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** @param load of the machine before anything was measured */
export function circumstances(command: string, load: number): Circumstances {
  const node = Bun.spawnSync(["node", "--version"]).stdout.toString().trim();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return {
    date: new Date().toISOString(),
    command,
    load,
    machine: `${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${memory} GB, ${type()} ${release()}`,
    pinned: pinned
      ? "The server has one core to itself, the load another."
      : "Server and load share the cores: this system does not give them one each.",
    versions: {
      shoal: version,
      bun: Bun.version,
      node,
      ws: versionOf("ws"),
      "socket.io": versionOf("socket.io"),
    },
  };
}

function versionOf(name: string): string {
  const path = Bun.resolveSync(`${name}/package.json`, import.meta.dir);
  return (require(path) as { version: string }).version;
}

/** Three digits that count, with separators. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString("en", { maximumFractionDigits: Math.min(digits, 6) });
}

type Table = readonly (readonly string[])[];

/** The medians of all entries of a part. */
export function figuresTable(outcome: Outcome): Table {
  const { part } = outcome;
  const load = outcome.part.figures.includes("p50 ms");
  const columns = [...part.figures, ...(load ? ["server busy", "load busy"] : [])];
  const unique = [...new Set(columns)];
  const rows = part.entries.map(({ name }) => [
    isLimited(outcome, name) ? `${name} *` : name,
    ...unique.map((figure) => {
      const values = valuesOf(outcome, name, figure);
      return values.length === 0 ? "n/a" : shown(median(values));
    }),
  ]);
  return [["", ...unique], ...rows];
}

export function goalText({ of, to, figure, is, at }: Goal): string {
  const bound = `${is === "least" ? "≥" : "≤"} ${shown(at)}`;
  return `${figure}, ${of}${to === undefined ? "" : ` : ${to}`} ${bound}`;
}

export function verdictsTable(all: readonly Verdict[]): Table {
  const rows = all.map(({ part, goal, estimate, met }) => {
    const text = `${part}: ${goalText(goal)}`;
    if (estimate === undefined) return [text, "n/a", "", "", "not measured here"];
    const { low, high, confidence, values } = estimate;
    const sure = confidence >= 0.95 ? "" : ` (${Math.round(confidence * 100)} %)`;
    const interval = `${shown(low)} to ${shown(high)}${sure}`;
    return [text, shown(estimate.median), interval, String(values), met ? "met" : "NOT MET"];
  });
  return [["goal", "measured", "95 % interval", "rounds", ""], ...rows];
}

export function asText(table: Table): string {
  const widths = table[0]!.map((_, column) =>
    Math.max(...table.map((row) => (row[column] ?? "").length)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

function asMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = table[0]!.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(table[0]!), line(rule), ...table.slice(1).map(line)].join("\n");
}

/** @param charts the file of a part's chart, by the part's name */
export function markdown(
  facts: Circumstances,
  outcomes: readonly Outcome[],
  charts: ReadonlyMap<string, string>,
): string {
  const all = outcomes.flatMap(verdicts);
  const inOrder = [...all.filter(({ met }) => !met), ...all.filter(({ met }) => met)];
  const versions = Object.entries(facts.versions).map(([name, of]) => `${name} ${of}`);
  const sections = outcomes.map((outcome) => {
    const { part } = outcome;
    const chart = charts.get(part.name);
    const limited = part.entries.some(({ name }) => isLimited(outcome, name));
    return [
      `## ${part.title}`,
      `Medians of ${part.rounds} rounds.`,
      asMarkdown(figuresTable(outcome)),
      ...(limited ? ["\\* Here the load was the limit, not the server."] : []),
      ...faultsOf(outcome).map((fault) => `A round without figures: ${fault}.`),
      ...(chart === undefined ? [] : [`![${part.title}](${chart})`]),
    ].join("\n\n");
  });
  return `# Benchmark of Shoal

Made by \`${facts.command}\` on ${facts.date.slice(0, 10)}, ${facts.machine}. ${facts.pinned}
The machine's load before that was ${shown(facts.load)}.

Versions: ${versions.join(", ")}.

Each server is a process of its own. All take turns, round by round; a ratio is the median over the
rounds' pairs, with the interval that has the true median in it in 95 of 100 cases (with fewer than
six rounds in fewer, as is said beside it). A goal counts as met when the interval reaches it.

## Goals

${asMarkdown(verdictsTable(inOrder))}

${sections.join("\n\n")}
`;
}
