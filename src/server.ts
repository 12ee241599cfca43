import type { Broker, BrokerEvents } from "./broker/broker.ts";
import { type BrokerData, openBroker } from "./broker/open.ts";
import type { Config } from "./config.ts";
import { createEdgeData, type EdgeData, WebSocketEdge } from "./edge/websocket.ts";
import { createRouter } from "./http/router.ts";
import { createListenerData, Listener, type ListenerData } from "./listener.ts";
import type { Log } from "./log.ts";
import { socketAudiences } from "./node/audiences.ts";
import { createNodeData, Node, type NodeData } from "./node/node.ts";

/** The timer and the drain. The parts are made and joined here. */

/** What survives a reload of the code: plain data and Bun's servers. */
export interface ServerData {
  readonly node: NodeData;
  readonly edge: EdgeData;
  readonly broker: BrokerData;
  readonly listener: ListenerData;
}

export interface ShoalServer {
  /** Where it listens, like `http://localhost:6060/`. */
  readonly url: URL;
  readonly port: number;
  /** What the next load of the code goes on with. */
  readonly data: ServerData;
  /** Ends what this load of the code has started, but no connection. */
  dispose(): void;
  /** Accepts no new connections, closes all with 1001, and resolves once they are gone. */
  drain(): Promise<void>;
}

export interface ServerOptions {
  /** What the load of the code before this one has left. */
  readonly data?: ServerData | undefined;
  /** Opens a broker instead of the one that the settings ask for. */
  readonly openBroker?: (events: BrokerEvents) => Broker;
  /** Milliseconds on a clock that never steps back; without it, the process's own. */
  readonly clock?: () => number;
  /** Hears why the broker cannot go on. Then only a restart helps. */
  readonly onBroken?: (reason: string) => void;
}

/** How often the timer runs, at most, and how often the broker renews: milliseconds. */
const TICK = 100;
const RENEW = 1000;
/** The longest that a drain waits for the clients, and then for the broker, in milliseconds. */
const DRAIN = 1000;
const CLOSE = 500;

/**
 * Starts a server.
 *
 * @throws if the port is taken, or the database or a TLS file cannot be used
 */
export async function createServer(
  config: Config,
  log: Log,
  options: ServerOptions = {},
): Promise<ShoalServer> {
  const { clock = () => performance.now() } = options;
  const data: ServerData = options.data ?? {
    node: createNodeData(),
    edge: createEdgeData(config, clock()),
    broker: {},
    listener: createListenerData(),
  };
  const listener = new Listener(data.listener, log);
  const publish = (topic: string, frame: string) => listener.publish(topic, frame);
  const rules = { window: config.fanoutWindow, clock, nextTurn: setImmediate };
  const node = new Node(data.node, { ...rules, publish }, () => broker);
  const broker =
    options.openBroker?.(node.events) ?? (await openBroker(data.broker, config, node.events, log));
  const audiences = socketAudiences(publish);
  const edge = new WebSocketEdge({ config, node, broker, audiences, data: data.edge, clock, log });
  try {
    listener.start({ config, edge, route: createRouter(() => broker.status()) });
  } catch (error) {
    await broker.close();
    throw error;
  }

  let renewed = clock();
  function tick(): void {
    edge.tick();
    node.tick();
    listener.watch(clock());
    if (clock() - renewed < RENEW) return;
    renewed = clock();
    broker.renew();
    edge.renew();
    const status = broker.status();
    if (status.state === "broken") options.onBroken?.(status.reason);
  }
  const timer = setInterval(tick, Math.min(TICK, config.heartbeatInterval * 100));

  return {
    url: openable(data.listener.url!),
    port: data.listener.port,
    data,
    dispose() {
      clearInterval(timer);
      node.flush();
      broker.dispose();
    },
    async drain() {
      clearInterval(timer);
      node.flush();
      await listener.stop(() => edge.drain(), DRAIN);
      await Promise.race([broker.close(), Bun.sleep(CLOSE)]);
    },
  };
}

/** "All addresses" is not an address that a browser can open. */
function openable(listening: URL): URL {
  const url = new URL(listening);
  if (url.hostname === "0.0.0.0" || url.hostname === "[::]") url.hostname = "localhost";
  return url;
}
