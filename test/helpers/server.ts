import { type Config, readConfig } from "../../src/config.ts";
import { createLog } from "../../src/log.ts";
import { createServer, type ServerOptions, type ShoalServer } from "../../src/server.ts";

export interface TestServer extends ShoalServer {
  /** Like `http://127.0.0.1:41234`, and the same with ws. */
  readonly http: string;
  readonly ws: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Seconds: a first heartbeat can come at any moment, and most tests do not want one. */
export const NO_HEARTBEATS = 86_400;

export interface ServeOptions extends ServerOptions {
  /** Gets the lines of the log, as JSON; without it, the server is silent. */
  readonly onLog?: string[];
}

/** A server in this process, on a free port, for as long as `await using` keeps it. */
export async function serve(
  settings: Partial<Config> = {},
  { onLog, ...options }: ServeOptions = {},
): Promise<TestServer> {
  const read = readConfig({}, () => false);
  if ("faults" in read) throw new Error(read.faults.join("\n"));
  const usual = { port: 0, host: "127.0.0.1", heartbeatInterval: NO_HEARTBEATS };
  const config: Config = { ...read.config, ...usual, ...settings };
  const log = createLog({
    level: onLog === undefined ? "silent" : config.logLevel,
    readable: false,
    write: (line) => onLog?.push(line),
    clock: () => new Date(),
  });
  const server = await createServer(config, log, options);
  const http = server.url.href.slice(0, -1);
  return {
    ...server,
    http,
    ws: http.replace("http", "ws"),
    [Symbol.asyncDispose]: () => server.drain(),
  };
}
