import { setPriority } from "node:os";
import { join } from "node:path";
import { cpuSeconds, residentOf, tcpMemory } from "../helpers/process.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";
import { newTally, type Tally, Victims } from "./victims.ts";

/** Runs an attack against a server, each in a process of its own, and reports what others noticed. */

/** Whether the tests run in their long form (`npm run chaos`), which also checks speed. */
export const LONG = process.env.CHAOS === "long";

export interface AttackOptions {
  readonly name: string;
  /** Attacks of attackers.ts with commas between them, and what they need to know. */
  readonly attack: string;
  readonly params?: Record<string, unknown>;
  /** Environment of the server. */
  readonly settings?: Record<string, string>;
  /** How long the attack goes on once all attackers are there. */
  readonly seconds: number;
  /** How long to watch before and after. Default: 3 and 10, or half of one in the short form. */
  readonly before?: number;
  readonly after?: number;
  /** A channel under attack in which a well-behaved client talks as well. */
  readonly inside?: string;
  /** What happens before the attack, once the server is up. */
  readonly prepare?: (shoal: Shoal) => Promise<void>;
  /** What must be true when it is over. */
  readonly verify?: (shoal: Shoal) => Promise<void>;
}

/** What was measured in one phase. */
export interface Phase {
  readonly sent: number;
  readonly refused: number;
  readonly lost: number;
  /** Milliseconds from a post to its delivery. */
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  /** Milliseconds that newcomers waited at most. */
  readonly arrival: number;
  /** The server's share of one core. */
  readonly cpu: number;
}

/** In MB. */
export interface Memory {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
}

export interface Report {
  readonly name: string;
  readonly before: Phase;
  readonly during: Phase;
  readonly after: Phase;
  /** What the well-behaved client in the attacked channel noticed during the attack. */
  readonly inside: Phase | undefined;
  /** Well-behaved connections that were cut or refused. */
  readonly disconnected: number;
  /** Resident memory of the server. */
  readonly rss: Memory;
  /** What the kernel holds for all TCP sockets of the machine, at both ends. */
  readonly kernel: Memory;
  /** What the attackers counted. */
  readonly attackers: Record<string, number>;
}

const ATTACKERS = join(import.meta.dir, "attackers.ts");
const MB = 1024 * 1024;

/** Runs an attack and prints what was measured. */
export async function attack(options: AttackOptions): Promise<Report> {
  const shoal = await startShoal({ env: options.settings ?? {} });
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => void (await shoal.end("SIGKILL")));
  await options.prepare?.(shoal);
  const report = await watch(options, shoal, ending);
  console.log(lineOf(report));
  await options.verify?.(shoal);
  return report;
}

async function watch(
  options: AttackOptions,
  shoal: Shoal,
  ending: AsyncDisposableStack,
): Promise<Report> {
  const { before = LONG ? 3 : 0.5, after = LONG ? 10 : 0.5, seconds } = options;
  const quiet = ending.use(await Victims.enter(`${shoal.ws}/quiet`));
  const insider = options.inside && (await Victims.enter(`${shoal.ws}/${options.inside}`, 0));
  if (insider) ending.use(insider);
  const meter = ending.use(new Meter(shoal.pid));
  const phases: { tally: Tally; cpu: number }[] = [];

  /** Counts what happens during `work`, on its own. */
  async function phase(work: () => Promise<unknown>): Promise<void> {
    const tally = newTally();
    quiet.count(tally);
    const cpu = cpuSeconds(shoal.pid);
    const start = performance.now();
    await work();
    const share = (cpuSeconds(shoal.pid) - cpu) / ((performance.now() - start) / 1000);
    phases.push({ tally, cpu: share });
  }

  await phase(() => Bun.sleep(before * 1000));
  meter.mark("before");
  const inside = newTally();
  if (insider) insider.count(inside);
  const attackers = ending.use(startAttackers(shoal, options));
  let counted: Record<string, number> = {};
  await phase(async () => {
    await attackers.ready;
    await Bun.sleep(seconds * 1000);
    counted = await attackers.end();
  });
  await phase(() => Bun.sleep(after * 1000));
  meter.mark("after");
  await quiet.settled();
  if (insider) await insider.settled();
  const [one, two, three] = phases.map(({ tally, cpu }) => phaseOf(tally, cpu));
  return {
    name: options.name,
    ...{ before: one!, during: two!, after: three! },
    inside: insider ? phaseOf(inside, 0) : undefined,
    disconnected: quiet.disconnected + (insider ? insider.disconnected : 0),
    ...{ rss: meter.rss, kernel: meter.kernel },
    attackers: counted,
  };
}

interface Attackers extends Disposable {
  /** Resolves once they are all there. */
  readonly ready: Promise<void>;
  /** @returns what they counted */
  end(): Promise<Record<string, number>>;
}

function startAttackers(shoal: Shoal, { attack, params = {} }: AttackOptions): Attackers {
  const command = [process.execPath, ATTACKERS, shoal.http, attack, JSON.stringify(params)];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  // The clients that measure must not wait for those that attack.
  setPriority(child.pid, 10);
  const ready = Promise.withResolvers<void>();
  const output = (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes("ready\n")) ready.resolve();
    }
    ready.reject(new Error(`the attackers of ${attack} ended: ${text}`));
    return text;
  })();
  return {
    ready: ready.promise,
    async end() {
      child.stdin.end();
      const text = await output;
      await child.exited;
      return JSON.parse(text.slice(text.indexOf("{"))) as Record<string, number>;
    },
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

/** Watches memory. */
class Meter implements Disposable {
  readonly #pid: number;
  readonly #rss = { before: 0, peak: 0, after: 0 };
  readonly #kernel = { before: 0, peak: 0, after: 0 };
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.mark("peak"), 100);
  }

  get rss(): Memory {
    return this.#rss;
  }

  get kernel(): Memory {
    return this.#kernel;
  }

  mark(when: "before" | "peak" | "after"): void {
    const values = { rss: residentOf(this.#pid) / MB, kernel: tcpMemory() / MB };
    this.#rss[when] = when === "peak" ? Math.max(this.#rss.peak, values.rss) : values.rss;
    this.#kernel[when] =
      when === "peak" ? Math.max(this.#kernel.peak, values.kernel) : values.kernel;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function phaseOf({ sent, refused, lost, delays, arrivals }: Tally, cpu: number): Phase {
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  const arrival = Math.max(0, ...arrivals);
  return { sent, refused, lost, p50: at(0.5), p99: at(0.99), worst: at(1), arrival, cpu };
}

function lineOf(report: Report): string {
  const { name, before, during, after, inside, disconnected, rss, kernel, attackers } = report;
  const ms = ({ p50, p99, worst, arrival }: Phase) =>
    `${[p50, p99, worst].map((one) => one.toFixed(one < 10 ? 1 : 0)).join("/")} ms, arrival ${arrival.toFixed(0)}`;
  const full = (phase: Phase) =>
    `${ms(phase)}, ${phase.sent} sent ${phase.refused} refused ${phase.lost} lost, CPU ${(phase.cpu * 100).toFixed(0)} %`;
  const memory = (one: Memory) =>
    `${[one.before, one.peak, one.after].map((mb) => mb.toFixed(0)).join(" → ")} MB`;
  const lines = [`${name} (p50/p99/worst)`, `  before ${full(before)}`, `  during ${full(during)}`];
  if (inside !== undefined) lines.push(`  inside ${full(inside)}`);
  lines.push(`  after  ${full(after)}`);
  lines.push(`  ${disconnected} disconnected, RSS ${memory(rss)}, kernel ${memory(kernel)}`);
  lines.push(`  attackers ${JSON.stringify(attackers)}`);
  return lines.join("\n");
}
