import type { Server } from "bun";
import type { Config } from "./config.ts";
import type { Peer } from "./edge/peer.ts";
import type { WebSocketEdge } from "./edge/websocket.ts";
import { failed } from "./http/answers.ts";
import type { Route } from "./http/router.ts";
import { describe, type Log } from "./log.ts";
import { openFileLimit, openFiles } from "./open-files.ts";

/**
 * Bun's servers. Usually it is one, but a server that has stopped accepting connections cannot begin
 * again: a new one takes its place, and the old one keeps the connections that it has.
 */
export interface ListenerData {
  /** The newest is the last. Each has topics of its own. */
  readonly servers: Server<Peer>[];
  accepting: boolean;
  /** The first one's; a server that has stopped accepting has none. */
  url: URL | undefined;
  port: number;
}

/** What a load of the code answers with. */
export interface ListenerParts {
  readonly config: Config;
  readonly edge: WebSocketEdge;
  readonly route: Route;
}

/**
 * At the limit of open files, Bun tries to accept in a busy loop. So the listener pauses at this
 * share of the limit, and goes on below the other.
 */
const FULL = 0.9;
const ROOM = 0.85;
/** Each server makes publishing dearer, so each makes the pauses longer: milliseconds. */
const PAUSE = 1000;
const REPORT = 60_000;
/** Counting open files takes at most one part in this many of the time. */
const COUNTING = 100;
/** How often a stop looks whether the connections are gone: milliseconds. */
const POLL = 10;

export function createListenerData(): ListenerData {
  return { servers: [], accepting: false, url: undefined, port: 0 };
}

export class Listener {
  readonly #data: ListenerData;
  readonly #log: Log;
  readonly #limit = openFileLimit();
  #parts: ListenerParts | undefined;
  #countAt = 0;
  #pausedAt = 0;
  #reportedAt = -Infinity;

  constructor(data: ListenerData, log: Log) {
    this.#data = data;
    this.#log = log;
  }

  /** Sends a frame to everyone who is subscribed to the topic. */
  publish(topic: string, frame: string): void {
    const { servers } = this.#data;
    for (let n = 0; n < servers.length; n++) servers[n]!.publish(topic, frame);
  }

  /**
   * Starts to listen, or has the servers that are there go on with this load of the code.
   *
   * @throws if the port is taken, or a TLS file cannot be used
   */
  start(parts: ListenerParts): void {
    const data = this.#data;
    this.#parts = parts;
    for (const server of data.servers) server.reload(this.#options(parts));
    if (data.url !== undefined) return;
    const { host, port, tlsCert, tlsKey } = parts.config;
    try {
      const server = this.#listen();
      data.url = new URL(server.url);
      data.port = server.port ?? port;
    } catch (error) {
      const tls = tlsCert === "" ? "" : ` with ${tlsCert} and ${tlsKey}`;
      const { message } = error as Error;
      throw new Error(`HOST ${host}, PORT ${port}${tls} cannot be used: ${message}`);
    }
  }

  /**
   * Stops accepting while there are too many open files, and begins again later. Connections that
   * have not sent a request are known to the system only. Call it about ten times a second.
   */
  watch(now: number): void {
    if (now < this.#countAt) return;
    const started = performance.now();
    const open = openFiles();
    this.#countAt = now + (performance.now() - started) * COUNTING;
    const data = this.#data;
    if (data.accepting) {
      if (open >= this.#limit * FULL) this.#pause(open, now);
      return;
    }
    const { servers } = data;
    if (open >= this.#limit * ROOM || now < this.#pausedAt + PAUSE * servers.length) return;
    const used = servers.filter(({ pendingWebSockets }) => pendingWebSockets > 0);
    servers.splice(0, servers.length, ...used);
    try {
      this.#listen();
    } catch (error) {
      this.#report(now, { reason: (error as Error).message });
    }
  }

  /**
   * Stops for good.
   *
   * @param closeAll sends every WebSocket its close
   * @param limit how long it waits for the clients, in milliseconds
   */
  async stop(closeAll: () => void, limit: number): Promise<void> {
    const { servers } = this.#data;
    const deadline = performance.now() + limit;
    const ended = Promise.all(servers.map((server) => server.stop()));
    const others = openFiles() - servers.reduce((sum, server) => sum + server.pendingWebSockets, 0);
    closeAll();
    await Promise.race([ended, Bun.sleep(limit)]);
    // For Bun, a WebSocket has ended once its close is sent. Its client may still be sending, and
    // would get a reset from a process that exits, so wait until the clients have closed too.
    while (openFiles() > others && performance.now() < deadline) await Bun.sleep(POLL);
    await Promise.all(servers.map((server) => server.stop(true)));
  }

  #pause(open: number, now: number): void {
    const { servers } = this.#data;
    // Its connections go on.
    void servers.at(-1)?.stop();
    this.#data.accepting = false;
    this.#pausedAt = now;
    const advice = "raise the limit with ulimit -n, or with LimitNOFILE in a systemd unit";
    this.#report(now, { reason: "too many open files", open, limit: this.#limit, advice });
  }

  #report(now: number, details: Record<string, string | number>): void {
    if (now < this.#reportedAt + REPORT) return;
    this.#reportedAt = now;
    this.#log.warn("not accepting connections", details);
  }

  #listen(): Server<Peer> {
    const server = Bun.serve(this.#options(this.#parts!));
    this.#data.servers.push(server);
    this.#data.accepting = true;
    return server;
  }

  #options({ config, edge, route }: ListenerParts) {
    const { tlsCert, tlsKey, host, port } = config;
    const { servers, port: taken } = this.#data;
    return {
      port: taken || port,
      hostname: host,
      ...(tlsCert === "" ? {} : { tls: { cert: Bun.file(tlsCert), key: Bun.file(tlsKey) } }),
      development: false,
      // Without it, a server that is not for development silently shares a port that is taken.
      reusePort: false,
      fetch: (request: Request, server: Server<Peer>) => {
        // One that was let go while a connection had not sent its request yet.
        if (!servers.includes(server)) servers.unshift(server);
        return route(request, {
          upgrade: (channel) => edge.upgrade(request, server, channel),
          refusal: (channel, connects) => edge.refusal(request, server, channel, connects),
        });
      },
      error: (error: unknown) => {
        this.#log.error("request failed", { error: describe(error) });
        return failed();
      },
      websocket: edge.websocket,
    };
  }
}
