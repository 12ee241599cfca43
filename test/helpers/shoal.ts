import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A Shoal in a process of its own, from source or as the compiled binary. */

const ROOT = resolve(import.meta.dir, "../..");

/** How to start a Shoal. Tests run it from source; `binary.test.ts` checks the binary. */
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
  /** Everything it has written so far, to standard output and standard error. */
  output(): string;
  /** Sends a signal and waits for the exit. @returns the exit status, or 128 + the signal */
  end(signal?: NodeJS.Signals): Promise<number>;
}

export interface ShoalOptions {
  /** Default: from source. */
  program?: Program;
  /** Environment variables, besides HOST=127.0.0.1, PORT=0 and a heartbeat once a day. */
  env?: Record<string, string>;
  args?: string[];
  /** The limit of open files that it runs under. */
  openFiles?: number;
  /** Files in the folder that it starts in, by name; that folder is otherwise empty. */
  files?: Record<string, string>;
}

/** The first heartbeat can come at any moment, and most tests want none. */
const DEFAULTS = { HOST: "127.0.0.1", PORT: "0", HEARTBEAT_INTERVAL: "86400" };

/** Starts a Shoal on a free port and waits until it listens. */
export async function startShoal(options: ShoalOptions = {}): Promise<Shoal> {
  const cwd = mkdtempSync(join(tmpdir(), "shoal-"));
  for (const [name, text] of Object.entries(options.files ?? {})) {
    writeFileSync(join(cwd, name), text);
  }
  const { openFiles } = options;
  const limited =
    openFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${openFiles}; exec "$@"`, "sh"];
  const program = PROGRAMS[options.program ?? "source"];
  const child = Bun.spawn([...limited, ...program, ...(options.args ?? [])], {
    cwd,
    env: { PATH: process.env.PATH, ...DEFAULTS, ...options.env },
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
