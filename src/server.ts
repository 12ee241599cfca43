import type { Server } from "bun";
import type { Broker, BrokerEvents } from "./broker/broker.ts";
import {
  type BrokerRules,
  createMemoryBroker,
  createMemoryData,
  type MemoryData,
} from "./broker/memory.ts";
import { createSqliteBroker } from "./broker/sqlite.ts";
import { openSqlite, type SqliteData } from "./broker/sqlite-data.ts";
import type { Config } from "./config.ts";
import { answerPresence, createEdge, type Peer, presenceTopic, replaced } from "./connection.ts";
import { createFanout } from "./node/fanout.ts";
import { libraryFile } from "./http/library.ts";
import { createPageFiles } from "./http/page.ts";
import {
  badHandshake,
  badMethod,
  badPath,
  badRequest,
  failed,
  fixedRoute,
  isReading,
  upgradeRequired,
  wantsPage,
} from "./http/routes.ts";
import type { Log } from "./log.ts";
import { createPresence, type PresenceData } from "./node/presence.ts";
import { createSessions } from "./auth/sessions.ts";
import { createState, type State } from "./node/state.ts";
import { rate } from "./protocol/bucket.ts";
import { channelOfPath } from "./protocol/channels.ts";

/** The wiring: the parts are made here and joined, and here alone are the listener and the timer. */

/** What lives through a reload of the code: plain data and the listener. */
export interface Kept {
  readonly state: State<Peer>;
  readonly presence: PresenceData<Peer>;
  readonly broker: MemoryData | SqliteData;
  listener: Server<Peer> | undefined;
}

export interface ShoalServer {
  /** Where it listens, like `http://localhost:6060/`. */
  readonly url: URL;
  readonly port: number;
  /** What the next load of the code goes on with. */
  readonly kept: Kept;
  /** Ends what this load of the code has started, but no connection. */
  dispose(): void;
  /** Takes no new connections, closes all with 1001, and is done once they are gone. */
  drain(): Promise<void>;
}

/** An answer to a heartbeat costs little, and many at once do no harm. */
const HEARTBEATS = { rate: 10, burst: 100 };
/** How often the timer runs, at most, and how often the broker is told to renew: milliseconds. */
const TICK = 100;
const RENEW = 1000;
/** Seconds without a sign of life: Bun pings at half of it, and takes 8 to 960. */
const IDLE = { least: 8, most: 960, intervals: 2 };
/** The longest that a drain waits for the clients, and then for the broker, in milliseconds. */
const DRAIN = 1000;
const CLOSE = 500;

/** A Host header as it is on the wire: to parse marks in one would take quadratic time. */
const HOST = /^[\w.:[\]-]{0,300}$/;

export interface ServerOptions {
  /** What the load of the code before this one has left. */
  readonly kept?: Kept | undefined;
  /** A broker to use instead of the one that the config asks for. */
  readonly openBroker?: (events: BrokerEvents) => Broker;
}

/**
 * Starts a server.
 *
 * @throws where the port is taken, or the database or a TLS file can not be used
 */
export async function createServer(
  config: Config,
  log: Log,
  { kept, openBroker }: ServerOptions = {},
): Promise<ShoalServer> {
  const clock = () => performance.now();
  const heartbeat = config.heartbeatInterval * 1000;
  const rules: BrokerRules = {
    history: {
      limit: config.historyLimit,
      ttl: config.historyTtl * 1000,
      memory: config.historyMemory,
    },
    names: { grace: config.sessionGrace * 1000, heldFor: heartbeat },
  };
  const all: Kept = kept ?? {
    state: createState<Peer>(heartbeat, clock()),
    presence: new Map(),
    broker:
      config.database === ""
        ? createMemoryData(Date.now() * 1000)
        : await openSqlite(config.database, rules, Date.now),
    listener: undefined,
  };

  const publish = (topic: string, frame: string) => all.listener?.publish(topic, frame);
  const fanout = createFanout(publish, {
    window: config.fanoutWindow,
    clock,
    nextTurn: setImmediate,
  });
  const presence = createPresence<Peer>(all.presence, {
    roster: (channel) => broker.roster(channel),
    publish(id, frame) {
      const channel = all.state.channels.get(id);
      if (channel !== undefined) fanout.flush(channel);
      publish(presenceTopic(id), frame);
    },
    answer(peer, frame) {
      fanout.flush(peer.channel);
      answerPresence(peer, frame);
    },
    failed: (error) => log.error("presence failed", { error: String(error) }),
  });
  const events: BrokerEvents = {
    message(id, message) {
      const channel = all.state.channels.get(id);
      if (channel !== undefined) fanout.message(channel, message);
    },
    presence: (id, change) => presence.change(id, change, clock()),
    replaced(_, holder) {
      const peer = holder as Peer;
      fanout.flush(peer.channel);
      replaced(peer);
    },
  };
  const broker: Broker = openBroker?.(events) ?? brokerOf(all.broker);

  function brokerOf(data: Kept["broker"]): Broker {
    return "worker" in data
      ? createSqliteBroker(data, rules, Date.now, events, log)
      : createMemoryBroker(data, rules, Date.now, events);
  }

  const idle = Math.ceil(config.heartbeatInterval * IDLE.intervals);
  const idleTimeout = Math.min(Math.max(idle, IDLE.least), IDLE.most);
  const edge = createEdge({
    state: all.state,
    presence,
    broker,
    fanout,
    rules: {
      textLimit: config.textLimit,
      frames: rate(config.messageRate, config.messageBurst),
      heartbeats: rate(HEARTBEATS.rate, HEARTBEATS.burst),
      sessions: createSessions(broker.secret),
    },
    terms: {
      heartbeat: config.heartbeatInterval,
      limits: {
        text: config.textLimit,
        rate: config.messageRate,
        burst: config.messageBurst,
        history: config.historyLimit,
      },
    },
    deadAfter: idleTimeout * 1000,
    clock,
    log,
  });

  const files = createPageFiles();

  function fetch(request: Request, server: Server<Peer>): Response | Promise<Response> | undefined {
    const host = request.headers.get("host") ?? "";
    // HTTP/1.0 needs no Host header, but with a malformed one there is no URL.
    const url = HOST.test(host)
      ? URL.parse(request.url, host ? undefined : "http://localhost")
      : null;
    if (url === null) return badRequest();
    const upgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const reading = isReading(request) && !upgrade;
    if (reading) {
      const known =
        fixedRoute(url.pathname) ??
        libraryFile(request, url.pathname) ??
        files.file(request, url.pathname);
      if (known !== undefined) return known;
      if (url.pathname === "/" && wantsPage(request)) return files.page(request);
    }
    const channel = channelOfPath(url.pathname);
    if ("fault" in channel) return badPath(channel.fault);
    if (upgrade) return edge.upgrade(request, server, channel.id) ? undefined : badHandshake();
    if (!reading) return badMethod();
    return wantsPage(request) ? files.page(request) : upgradeRequired(request, url);
  }

  const options = {
    port: config.port,
    hostname: config.host,
    ...(config.tlsCert === ""
      ? {}
      : { tls: { cert: Bun.file(config.tlsCert), key: Bun.file(config.tlsKey) } }),
    development: false,
    // Without it, a server that is not for development shares a port that is taken, in silence.
    reusePort: false,
    fetch,
    error(error: unknown) {
      log.error("request failed", { error: String(error) });
      return failed();
    },
    websocket: {
      data: {} as Peer,
      ...edge.handlers,
      idleTimeout,
      // An emoji in JSON can take 12 bytes; the rest is room for the frame around the text.
      maxPayloadLength: 12 * config.textLimit + 1024,
      backpressureLimit: config.sendBuffer,
      // Never a connection with holes in what it was sent: who does not read is cut.
      closeOnBackpressureLimit: true,
    },
  };
  if (all.listener === undefined) {
    try {
      all.listener = Bun.serve(options);
    } catch (error) {
      await broker.close();
      const tls = config.tlsCert === "" ? "" : ` with ${config.tlsCert} and ${config.tlsKey}`;
      const { message } = error as Error;
      throw new Error(`HOST ${config.host}, PORT ${config.port}${tls} can not be used: ${message}`);
    }
  } else all.listener.reload(options);
  const listener = all.listener;

  let renewed = clock();
  const timer = setInterval(
    () => {
      const now = clock();
      edge.heartbeat();
      presence.flush(now);
      if (now - renewed < RENEW) return;
      renewed = now;
      broker.renew();
    },
    Math.min(TICK, heartbeat / 10),
  );

  // "All addresses" is none that a browser can open.
  const url = new URL(listener.url);
  if (url.hostname === "0.0.0.0" || url.hostname === "[::]") url.hostname = "localhost";

  return {
    url,
    port: listener.port ?? config.port,
    kept: all,
    dispose() {
      clearInterval(timer);
      fanout.flushAll();
    },
    async drain() {
      clearInterval(timer);
      const stopped = listener.stop();
      fanout.flushAll();
      edge.drain();
      await Promise.race([stopped, Bun.sleep(DRAIN)]);
      await listener.stop(true);
      await Promise.race([broker.close(), Bun.sleep(CLOSE)]);
    },
  };
}
