import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { V1 } from "./load-wire.ts";
import type { LoadFigures } from "./load-plan.ts";
import { Load } from "./load.ts";
import { pinSelf } from "./contenders.ts";

/**
 * What the database costs the event loop: `bun test/bench/database.ts`. The same load with and
 * without it, in turn: the main thread's CPU, how late the event loop is, and how much gets through
 * when everybody sends as fast as they are answered.
 */

const ROOT = resolve(import.meta.dir, "../..");
const ROUNDS = 5;
/** 500 channels of 2, of whom one talks. */
const CROWD = { connections: 1000, channels: 500, talkers: 1, textLength: 60 };
const FIXED = { rate: 5000 };
const SATURATED = { inFlight: 8 };

interface Round {
  /** Seconds of CPU that the main thread took for each second. */
  readonly main: number;
  /** Milliseconds that the event loop was late. */
  readonly p99: number;
  readonly figures: LoadFigures;
}

function mainSeconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ", 1)[0]) / 1e9;
}

async function measure(database: string, pace: typeof FIXED | typeof SATURATED): Promise<Round> {
  const command = [process.execPath, "--preload", join(import.meta.dir, "delay.ts")];
  const child = Bun.spawn([...command, join(ROOT, "src/main.ts")], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: "0",
      MESSAGE_RATE: "0",
      DATABASE: database,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  let url = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    url = /"url":"http([^"]+)\/"/.exec(chunk)?.[1] ?? "";
    if (url !== "") break;
  }
  const load = new Load({ ...CROWD, url: `ws${url}/db`, dialects: [V1], pace });
  await load.open();
  let before = 0;
  let main = 0;
  const figures = await load.drive({
    warmup: 1,
    seconds: 4,
    mark() {
      child.kill("SIGUSR2");
      main = mainSeconds(child.pid) - before;
      before = mainSeconds(child.pid);
    },
  });
  await load.close();
  child.kill();
  const lines = (await new Response(child.stderr).text()).trim().split("\n");
  const { p99 } = JSON.parse(lines.at(-1)!) as { p99: number };
  return { main: main / figures.seconds, p99, figures };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

pinSelf();
const folder = mkdtempSync(join(tmpdir(), "shoal-bench-"));
let files = 0;
for (const [title, pace] of [
  ["5,000 messages/s", FIXED],
  ["8 in flight each", SATURATED],
] as const) {
  const kinds = { memory: [] as Round[], sqlite: [] as Round[] };
  for (let round = 0; round < ROUNDS; round++) {
    kinds.memory.push(await measure("", pace));
    kinds.sqlite.push(await measure(join(folder, `${files++}.sqlite`), pace));
  }
  for (const [kind, rounds] of Object.entries(kinds)) {
    const of = (figure: (round: Round) => number) => median(rounds.map(figure)).toPrecision(3);
    console.log(
      `${title}, ${kind}: ${of(({ figures }) => figures.messages / figures.seconds)} messages/s, ` +
        `main thread ${of(({ main }) => main)} CPU s/s, event loop late p99 ${of(({ p99 }) => p99)} ms, ` +
        `latency p50 ${of(({ figures }) => figures.latency.p50)} p99 ${of(({ figures }) => figures.latency.p99)} ms`,
    );
  }
  const ratios = kinds.sqlite.map(({ main }, round) => main / kinds.memory[round]!.main);
  console.log(
    `main thread, sqlite : memory ${median(ratios).toFixed(2)} (${ratios.map((one) => one.toFixed(2)).join(", ")})`,
  );
}
rmSync(folder, { recursive: true, force: true });
