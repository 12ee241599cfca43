import { PLAIN } from "./load-wire.ts";
import type { LoadFigures, LoadPlan } from "./load-plan.ts";
import { Load } from "./load.ts";
import { BINARY, type Contender, onCore, start } from "./contenders.ts";

/** One measurement of one contender: a new process, a load, and what both have shown. */

/** Figures by name; undefined where the system does not tell. */
export interface Sample {
  readonly figures: Readonly<Record<string, number | undefined>>;
  /** Whether the load was what was measured: its core was full while the server's was not. */
  readonly limited: boolean;
  /** Why there are no figures: the server did not do its work, or the machine was too busy. */
  readonly fault?: string;
}

export type TalkPlan = Omit<LoadPlan, "url" | "dialects">;

export interface Timing {
  /** Seconds. */
  readonly warmup: number;
  readonly seconds: number;
}

const FULL = 0.9;
/** A message that was sent later than this many milliseconds was late by the load's own fault. */
const LATE = 5;
const MB = 1024 * 1024;

/** Talks and counts what is delivered. */
export async function talk(
  contender: Contender,
  plan: TalkPlan,
  timing: Timing,
  env: Readonly<Record<string, string>> = {},
): Promise<Sample> {
  const server = await start(contender, env);
  const load = new Load({ ...plan, url: server.url, dialects: server.dialects });
  try {
    await load.open();
    const cpu: (number | undefined)[] = [];
    const result = await load.drive({ ...timing, mark: () => cpu.push(server.cpu.read()) });
    const spent = between(cpu[0], cpu[1]);
    check(result, plan);
    const { seconds, deliveries, latency } = result;
    const serverBusy = spent === undefined ? undefined : spent / seconds;
    return {
      figures: {
        "deliveries/s": deliveries / seconds,
        "deliveries/CPU s": spent === undefined ? undefined : deliveries / spent,
        "CPU µs/delivery": spent === undefined ? undefined : (spent * 1e6) / deliveries,
        "p50 ms": latency.p50,
        "p99 ms": latency.p99,
        "p99.9 ms": latency.p999,
        "memory MB": mebibytes(server.memory()),
        "peak MB": mebibytes(server.peak()),
        cut: result.closed,
        "server busy": serverBusy,
        "load busy": result.busy,
        "late p99 ms": result.late,
      },
      limited: isLimited(plan, result, serverBusy),
    };
  } finally {
    await load.close();
    await server.stop();
  }
}

/** An open loop spins while it waits, so there the load is the limit when it sends too late. */
function isLimited(plan: TalkPlan, { busy, late }: LoadFigures, server: number | undefined) {
  return "rate" in plan.pace ? late > LATE : busy > FULL && (server ?? 1) < FULL;
}

/** A server that lost messages did less than the others. */
function check({ expected, received, refused, closed }: LoadFigures, plan: TalkPlan): void {
  if (received < expected || refused > 0) {
    throw new Error(`${expected - received} of ${expected} deliveries missing, ${refused} refused`);
  }
  if (closed > 0 && plan.stalled === undefined) throw new Error(`${closed} connections closed`);
}

function between(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

function mebibytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / MB;
}

export interface IdlePlan {
  readonly connections: number;
  readonly channels: number;
  /** Seconds in which nothing is said. */
  readonly rest: number;
  /** Whether all then break off and come back at once. */
  readonly reconnect: boolean;
}

/** Seconds until a garbage collector has seen that it has nothing to do. */
const SETTLE = 2;
/** Connections under way at the same time where all come back at once. */
const AT_ONCE = 2000;

/** Connects and says nothing. */
export async function idle(contender: Contender, plan: IdlePlan): Promise<Sample> {
  const server = await start(contender);
  const load = new Load({
    ...plan,
    url: server.url,
    dialects: server.dialects,
    talkers: 0,
    pace: { inFlight: 0 },
    textLength: 48,
    ...(plan.reconnect ? { abreast: AT_ONCE } : {}),
  });
  try {
    await Bun.sleep(1000);
    const empty = server.memory();
    const busy = process.cpuUsage();
    const opening = await load.open();
    const { user, system } = process.cpuUsage(busy);
    const opened = server.cpu.read();
    await Bun.sleep(SETTLE * 1000);
    const full = server.memory();
    const quiet = server.cpu.read();
    await Bun.sleep(plan.rest * 1000);
    const rest = between(quiet, server.cpu.read());
    const each = between(empty, full);
    const figures: Record<string, number | undefined> = {
      "KB/connection": each === undefined ? undefined : each / 1024 / plan.connections,
      "connections/s": plan.connections / opening,
      "CPU s to connect": opened,
      "CPU at rest": rest === undefined ? undefined : rest / plan.rest,
    };
    if (plan.reconnect) {
      const before = server.cpu.read();
      figures["s to reconnect"] = await load.reopen();
      figures["CPU s to reconnect"] = between(before, server.cpu.read());
      figures["peak MB"] = mebibytes(server.peak());
    }
    return { figures, limited: (user + system) / 1e6 / opening > FULL };
  } finally {
    await load.close();
    await server.stop();
  }
}

/** The longest that the binary may take to accept a connection, in milliseconds. */
const PATIENCE = 5000;

/** From the start of the binary to the first handshake that it answers. */
export async function firstConnection(): Promise<Sample> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const port = probe.port;
  probe.stop(true);
  const began = performance.now();
  const child = Bun.spawn(onCore(0, [BINARY]), {
    env: { HOST: "127.0.0.1", PORT: String(port), NODE_ENV: "production" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    const url = `ws://127.0.0.1:${port}`;
    for (;;) {
      const load = new Load({
        ...{ url, connections: 1, channels: 1, dialects: [PLAIN], talkers: 0 },
        ...{ pace: { inFlight: 0 }, textLength: 48, named: false },
      });
      const connected = await load.open().then(
        () => true,
        () => false,
      );
      const ms = performance.now() - began;
      await load.close();
      if (connected) return { figures: { "ms to first connection": ms }, limited: false };
      if (ms > PATIENCE) throw new Error("The binary accepts no connection.");
      await Bun.sleep(0);
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
