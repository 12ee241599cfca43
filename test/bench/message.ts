import type { Server, ServerWebSocket } from "bun";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { readConfig } from "../../src/config.ts";
import type { Peer } from "../../src/edge/peer.ts";
import { createEdgeData, WebSocketEdge } from "../../src/edge/websocket.ts";
import { createLog } from "../../src/log.ts";
import { socketAudiences } from "../../src/node/audiences.ts";
import { createNodeData, Node } from "../../src/node/node.ts";
import { identify } from "../../src/node/state.ts";
import { SUBPROTOCOL } from "../../src/protocol/limits.ts";
import { nameOf } from "../../src/protocol/names.ts";
import { estimate, type Estimate, ratio } from "./stats.ts";

/**
 * What a message costs beside the sends: `bun test/bench/message.ts`. All of its way from the frame
 * to the call of publish, without sockets; beside it, what JSON.parse and JSON.stringify of the same
 * frame take. It is steadier than a measurement over sockets, so it shows what a change saves.
 */

const MESSAGES = 500_000;
const ROUNDS = 9;
const MEMBERS = 10;
const FRAME = JSON.stringify({
  type: "message",
  text: "Any fish today? The tide turns at six and the wind is.",
});
const TEXT_AT = FRAME.indexOf("Any");

let sink = 0;

interface Served {
  readonly edge: WebSocketEdge;
  readonly sockets: ServerWebSocket<Peer>[];
}

function serve(channels: number, v1: boolean): Served {
  const read = readConfig({ MESSAGE_RATE: "0" }, () => false);
  if ("faults" in read) throw new Error(read.faults.join());
  const { config } = read;
  const clock = () => performance.now();
  const log = createLog({
    level: "error",
    readable: true,
    write: console.error,
    clock: () => new Date(),
  });
  // A string that was put together is only made when it is read.
  const publish = (_: string, frame: string) => void (sink += frame.charCodeAt(frame.length - 1));
  const options = { window: 0, clock, nextTurn: setImmediate, publish };
  const node = new Node(createNodeData(), options, () => broker);
  const rules = {
    history: { limit: 100, ttl: 3_600_000, memory: 64 * 1024 * 1024 },
    names: { grace: 30_000, heldFor: 30_000 },
  };
  const data = createMemoryData(new Uint8Array(32), 0);
  const broker = new MemoryBroker(data, { rules, clock, date: Date.now, events: node.events });
  const audiences = socketAudiences(publish);
  const edgeData = createEdgeData(config, clock());
  const edge = new WebSocketEdge({
    ...{ config, node, broker, audiences, data: edgeData, clock, log },
  });
  const headers: Record<string, string> = v1 ? { "sec-websocket-protocol": SUBPROTOCOL } : {};
  const sockets = Array.from({ length: channels * MEMBERS }, (_, n) => {
    const socket = { data: {}, subscribe() {}, send() {} } as unknown as ServerWebSocket<Peer>;
    const server = {
      requestIP: () => null,
      upgrade: (_: Request, options: { data: Peer }) => (socket.data = options.data) !== undefined,
    } as unknown as Server<Peer>;
    edge.upgrade(new Request("http://localhost/", { headers }), server, `c${n % channels}`);
    void edge.websocket.open?.(socket);
    identify(socket.data, nameOf(`user ${n}`)!);
    return socket;
  });
  return { edge, sockets };
}

const bytes = new TextEncoder().encode(FRAME);
const decoder = new TextDecoder();

/** A string of its own for every message, as they come from sockets. */
function frame(n: number): string {
  bytes[TEXT_AT] = 65 + (n % 26);
  return decoder.decode(bytes);
}

/** @returns nanoseconds a message */
function timed(message: (n: number) => void): number {
  const began = performance.now();
  for (let n = 0; n < MESSAGES; n++) message(n);
  return ((performance.now() - began) * 1e6) / MESSAGES;
}

/** Measures in this process, which compiles for this case alone, and writes JSON. */
function measure(channels: number, v1: boolean): void {
  const { edge, sockets } = serve(channels, v1);
  const ways = {
    shoal: (n: number) => void edge.websocket.message?.(sockets[n % sockets.length]!, frame(n)),
    json(n: number) {
      const text = JSON.stringify(JSON.parse(frame(n)));
      sink += text.charCodeAt(text.length - 1);
    },
  };
  const values: Record<keyof typeof ways, number[]> = { shoal: [], json: [] };
  // The first round is for the compiler.
  for (let round = 0; round <= ROUNDS; round++) {
    const alone = timed((n) => (sink += frame(n).length));
    for (const name of ["shoal", "json"] as const) {
      const took = timed(ways[name]) - alone;
      if (round > 0) values[name].push(took);
    }
  }
  console.log(JSON.stringify(values));
}

function shown({ median, low, high }: Estimate): string {
  return `${Math.round(median)} ns (${Math.round(low)} to ${Math.round(high)})`;
}

const [channels, v1] = Bun.argv.slice(2);
if (channels !== undefined) {
  measure(Number(channels), v1 === "v1");
} else {
  for (const count of ["1", "100"]) {
    for (const protocol of ["plain", "v1"]) {
      const child = Bun.spawnSync([process.execPath, import.meta.path, count, protocol]);
      const values = JSON.parse(child.stdout.toString()) as Record<"shoal" | "json", number[]>;
      const { median, low, high } = ratio(values.shoal, values.json)!;
      const times = [median, low, high].map((value) => value.toFixed(2));
      console.log(
        `${protocol}, channels: ${count}: ${shown(estimate(values.shoal))}, ` +
          `${times[0]} (${times[1]} to ${times[2]}) of JSON.parse and JSON.stringify`,
      );
    }
  }
}
process.exit(0);
