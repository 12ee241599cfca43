import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Dialect } from "./load-wire.ts";
import { type CpuMeter, cpuMeter, memoryOf, peakOf } from "./cpu.ts";
import { DIALECTS } from "./dialects.ts";

/** What is measured, and how it starts: each in its own process, on the first core. */

const ROOT = resolve(import.meta.dir, "../..");
const SERVERS = join(import.meta.dir, "servers");
const SHOAL = [process.execPath, join(ROOT, "src/main.ts")];
export const BINARY = join(ROOT, "dist/shoal");

export interface Contender {
  readonly command: readonly string[];
  /** What its connections speak; they take these in turn. */
  readonly dialects: readonly Dialect[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it keeps messages in a file. */
  readonly stores?: boolean;
}

const bare = [process.execPath, join(SERVERS, "bare.ts")];
const ws = ["node", join(SERVERS, "ws.mjs")];
const socketIo = ["node", join(SERVERS, "socketio.mjs")];

export const CONTENDERS = {
  bare: { command: bare, dialects: [DIALECTS.echo] },
  "bare v1": { command: bare, dialects: [DIALECTS["echo v1"]] },
  "bare mix": { command: bare, dialects: [DIALECTS.echo, DIALECTS["echo v1"]] },
  shoal: { command: SHOAL, dialects: [DIALECTS.plain] },
  "shoal v1": { command: SHOAL, dialects: [DIALECTS.v1] },
  "shoal mix": { command: SHOAL, dialects: [DIALECTS.plain, DIALECTS.v1] },
  "shoal, no window": { command: SHOAL, dialects: [DIALECTS.plain], env: { FANOUT_WINDOW: "0" } },
  "shoal v1, no window": { command: SHOAL, dialects: [DIALECTS.v1], env: { FANOUT_WINDOW: "0" } },
  binary: { command: [BINARY], dialects: [DIALECTS.plain] },
  "binary v1": { command: [BINARY], dialects: [DIALECTS.v1] },
  sqlite: { command: SHOAL, dialects: [DIALECTS.plain], stores: true },
  "sqlite v1": { command: SHOAL, dialects: [DIALECTS.v1], stores: true },
  ws: { command: ws, dialects: [DIALECTS.echo] },
  "ws v1": { command: ws, dialects: [DIALECTS["echo v1"]] },
  "socket.io": { command: socketIo, dialects: [DIALECTS["socket.io"]] },
  "socket.io v1": { command: socketIo, dialects: [DIALECTS["socket.io v1"]] },
} as const satisfies Record<string, Contender>;

export type ContenderName = keyof typeof CONTENDERS;

/** Only the protocol is measured, without the rate limit. */
const ENV = {
  HOST: "127.0.0.1",
  PORT: "0",
  NODE_ENV: "production",
  MESSAGE_RATE: "0",
  // At this level a server logs its address and then stays silent.
  LOG_LEVEL: "info",
};

export interface Running {
  /** Like `ws://127.0.0.1:41234`. */
  readonly url: string;
  readonly dialects: readonly Dialect[];
  readonly cpu: CpuMeter;
  /** Bytes of the server's memory. */
  memory(): number | undefined;
  /** The highest so far, including shared pages. */
  peak(): number | undefined;
  stop(): Promise<void>;
}

const taskset = Bun.which("taskset");
const cores = navigator.hardwareConcurrency;
/** Whether the server and the load have a core each. */
export const pinned = taskset !== null && cores > 1;

/** @returns a command that runs on this core alone, where the system allows */
export function onCore(core: number, command: readonly string[]): string[] {
  return pinned ? [taskset!, "-c", String(core), ...command] : [...command];
}

/** Keeps this process, which is the load, off the core of the servers. */
export function pinSelf(): void {
  if (pinned) Bun.spawnSync([taskset!, "-acp", "1", String(process.pid)]);
}

/** The longest that a server may take to start, in milliseconds. */
const PATIENCE = 10_000;

/** @param env beside the contender's own */
export async function start(
  contender: Contender,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  if (contender.command[0] === BINARY && !existsSync(BINARY)) {
    throw new Error("There is no binary: run `bun run prod` first.");
  }
  const folder = mkdtempSync(join(tmpdir(), "shoal-bench-"));
  const database = contender.stores === true ? { DATABASE: join(folder, "bench.sqlite") } : {};
  const child = Bun.spawn(onCore(0, contender.command), {
    cwd: folder,
    env: { PATH: process.env.PATH, ...ENV, ...contender.env, ...database, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const url = await addressIn(child.stdout);
  clearTimeout(timer);
  return {
    url,
    dialects: contender.dialects,
    cpu: cpuMeter(child.pid),
    memory: () => memoryOf(child.pid),
    peak: () => peakOf(child.pid),
    async stop() {
      // Its state no longer matters, and a drain would only take time.
      child.kill("SIGKILL");
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The first address that a server writes. Later output is read as well, so that it never blocks. */
function addressIn(output: ReadableStream<Uint8Array>): Promise<string> {
  const address = Promise.withResolvers<string>();
  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    let found = false;
    for await (const chunk of output) {
      if (found) continue;
      text += decoder.decode(chunk, { stream: true });
      const host = /"url":"http:\/\/([^"]+?)\/?"/.exec(text)?.[1];
      if (host === undefined) continue;
      found = true;
      address.resolve(`ws://${host}`);
    }
    address.reject(new Error(`The server did not start:\n${text}`));
  }
  read().catch(address.reject);
  return address.promise;
}
