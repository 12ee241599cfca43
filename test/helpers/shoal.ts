import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A Shoal of its own process, from the source or as the compiled binary. */

const ROOT = resolve(import.meta.dir, "../..");

/** How the tests start a Shoal: both ways give the same program. */
export const PROGRAMS = {
  source: [process.execPath, join(ROOT, "src/main.ts")],
  binary: [process.env.SHOAL_BINARY ?? join(ROOT, "dist/shoal")],
} as const;

export type Program = keyof typeof PROGRAMS;

export interface Shoal {
  /** Like `http://127.0.0.1:41234`. */
  readonly http: string;
  /** Like `ws://127.0.0.1:41234`. */
  readonly ws: string;
  readonly pid: number;
  /** What it has written so far. */
  output(): string;
  /** Sends a signal and waits for the end. @returns its exit status, or 128 + the signal */
  end(signal?: NodeJS.Signals): Promise<number>;
}

export interface ShoalOptions {
  program?: Program;
  /** Variables of its environment, beside HOST=127.0.0.1, PORT=0 and hardly any heartbeats. */
  env?: Record<string, string>;
  args?: string[];
}

/** A first heartbeat can come at any moment, and most tests do not want one. */
const USUAL = { HOST: "127.0.0.1", PORT: "0", HEARTBEAT_INTERVAL: "86400" };

/** Starts one on a free port and waits until it listens. */
export async function startShoal(options: ShoalOptions = {}): Promise<Shoal> {
  const cwd = mkdtempSync(join(tmpdir(), "shoal-"));
  const child = Bun.spawn([...PROGRAMS[options.program ?? "source"], ...(options.args ?? [])], {
    cwd,
    env: { PATH: process.env.PATH, ...USUAL, ...options.env },
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const url = Promise.withResolvers<string>();
  const ended = Promise.all([read(child.stdout), read(child.stderr)]).then(() => {
    url.reject(new Error(`Shoal did not start:\n${output}`));
  });

  async function read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true });
      const found = /"url":"(https?:\/\/[^"]+)\/"/.exec(output);
      if (found?.[1] !== undefined) url.resolve(found[1]);
    }
  }

  const http = await url.promise;
  return {
    http,
    ws: http.replace("http", "ws"),
    pid: child.pid,
    output: () => output,
    async end(signal = "SIGTERM") {
      child.kill(signal);
      const status = await child.exited;
      await ended;
      rmSync(cwd, { recursive: true, force: true });
      return status;
    },
  };
}
