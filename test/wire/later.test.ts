import { expect, test } from "bun:test";
import type { BrokerEvents } from "../../src/broker/broker.ts";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { asked, type AskedBroker } from "../contract/port.ts";
import type { Peer } from "../../src/edge/peer.ts";
import { CLOSE } from "../../src/protocol/codes.ts";
import { type Client, connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { type LateBroker, lateStore } from "../helpers/late.ts";
import { frameOf, handshake, rawSocket } from "../helpers/raw.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** Connections on a broker that answers later, as one behind a network does. */

interface Later {
  readonly server: TestServer;
  /** The server's own broker, and another node on the same store. */
  readonly broker: LateBroker;
  readonly far: AskedBroker;
}

async function serveLater(): Promise<Later> {
  const store = lateStore((events: BrokerEvents) => {
    const rules = {
      history: { limit: 100, ttl: 1e6, memory: 1e6 },
      names: { grace: 0, heldFor: 0 },
    };
    const data = createMemoryData(new Uint8Array(32), 0);
    const clocks = { clock: () => performance.now(), date: Date.now };
    return new MemoryBroker(data, { rules, ...clocks, events });
  });
  let broker: LateBroker | undefined;
  const openBroker = (events: BrokerEvents) => (broker = store.node(events));
  const server = await serve({ messageRate: 0 }, { openBroker });
  const nothing = { message() {}, presence() {}, evicted() {}, gap() {} };
  return { server, broker: broker!, far: asked(store.node(nothing)) };
}

async function names({ far }: Later): Promise<readonly string[]> {
  return ((await far.roster("a")).names ?? []).toSorted();
}

/** Waits until the broker has done all that was asked of it. */
async function quiet(client: Client): Promise<void> {
  client.say("done");
  for (;;) if ((await client.nextOf("error")).code === "invalid_json") return;
}

test("frames sent in one go take effect in the order sent, from the first frame on", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await connect(`${server.ws}/a`, V1);
  ann.say({ type: "identity", user: "ann" });
  ann.say({ type: "message", text: "1", ref: "1" });
  ann.say({ type: "identity", user: "eve" });
  ann.say({ type: "message", text: "2", ref: "2" });
  ann.say({ type: "identity", user: "" });
  ann.say({ type: "message", text: "3", ref: "3" });
  ann.say({ type: "identity", user: "bob" });
  ann.say({ type: "message", text: "4", ref: "4" });
  const frames: Record<string, unknown>[] = [];
  while (frames.length < 12) frames.push(JSON.parse(await ann.next()) as Record<string, unknown>);
  const of = (type: string) => frames.filter((frame) => frame.type === type);
  expect(frames[0]!.type).toBe("connection");
  expect(of("identity").map(({ user }) => user)).toEqual(["ann", "eve", "", "bob"]);
  expect(of("message").map(({ text, user }) => `${text} ${user}`)).toEqual([
    "1 ann",
    "2 eve",
    "4 bob",
  ]);
  expect(of("ack").map(({ ref }) => ref)).toEqual(["1", "2", "4"]);
  expect(of("error")).toMatchObject([{ code: "not_identified", ref: "3" }]);
});

test("a connection that closes while it arrives or claims a name leaves nothing behind", async () => {
  const later = await serveLater();
  await using server = later.server;
  const witness = await enterAs(`${server.ws}/a`, "witness");
  later.broker.hold = true;
  const arriving = await connect(`${server.ws}/a`);
  arriving.say({ type: "identity", user: "arriving" });
  // A connection that waits is not read from, so its end is seen afterwards.
  while (server.data.edge.arriving.size === 0) await Bun.sleep(1);
  for (const peer of server.data.edge.arriving) peer.ws?.terminate();
  later.broker.hold = false;
  await arriving.closed;
  const claiming = await enter(`${server.ws}/a`, V1);
  later.broker.hold = true;
  claiming.say({ type: "identity", user: "claiming" });
  claiming.socket.terminate();
  later.broker.hold = false;
  await claiming.closed;
  while ((await later.far.roster("a")).count !== 1) await Bun.sleep(1);
  while ((await names(later)).length !== 1) await Bun.sleep(1);
  expect(await names(later)).toEqual(["witness"]);
  await quiet(witness);
});

test("only one history request is in progress at a time", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enter(`${server.ws}/a`, V1);
  later.broker.hold = true;
  ann.say({ type: "history" });
  ann.say({ type: "history" });
  expect((await ann.nextOf("error")).code).toBe("busy");
  later.broker.hold = false;
  await ann.nextOf("history");
  ann.say({ type: "history" });
  await ann.nextOf("history");
});

test("a refused message is answered, with its ref if it had one", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const bob = await enterAs(`${server.ws}/a`, "bob");
  later.broker.refuse = "unavailable";
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "unavailable", ref: "1" });
  later.broker.refuse = "unknown";
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "unknown", ref: "1" });
  later.broker.refuse = "not_identified";
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "not_identified", ref: "1" });
  later.broker.refuse = "unavailable";
  bob.say({ type: "message", text: "hi" });
  expect(await bob.nextOf("error")).toMatchObject({ code: "unavailable" });
  ann.say({ type: "message", text: "hi", ref: "1" });
  await ann.nextOf("ack");
});

test("messages, names and takeovers from other nodes reach everyone here", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  ann.say({ type: "presence" });
  expect((await ann.nextOf("presence")).names).toEqual(["ann"]);
  const { far } = later;
  const holder = {};
  await far.join("a");
  const name = { shown: "far", key: "far" };
  expect(await far.claim("a", { holder, name, held: undefined, session: undefined })).toBe(true);
  await far.publish("a", { holder, text: '"from afar"', user: '"far"' });
  expect(await ann.nextOf("message")).toMatchObject({ text: "from afar", user: "far" });
  expect(await ann.nextOf("presence")).toMatchObject({ count: 2, joined: ["far"] });
  ann.say({ type: "identity", user: "far" });
  expect((await ann.nextOf("identity")).code).toBe("name_taken");
});

test("nothing that waits is performed once its connection is closed", async () => {
  const later = await serveLater();
  await using server = later.server;
  const witness = await enterAs(`${server.ws}/a`, "witness", V1);
  witness.say({ type: "presence" });
  await witness.nextOf("presence");
  const raw = await rawSocket(server.http);
  raw.write(handshake("/a", ["Sec-WebSocket-Protocol: shoal.v1"]));
  await raw.until('"type":"connection"');
  later.broker.hold = true;
  // One write, so that all of it comes in one read and the close is seen at once.
  raw.write(
    Buffer.concat(
      [
        { type: "identity", user: "ghost" },
        { type: "presence" },
        { type: "message", text: "boo" },
      ].map((frame) => frameOf(0x81, new TextEncoder().encode(JSON.stringify(frame)))),
    ),
  );
  raw.end();
  await raw.closed;
  later.broker.hold = false;
  while ((await later.far.roster("a")).count !== 1) await Bun.sleep(1);
  witness.say({ type: "message", text: "still here", ref: "1" });
  const watch = server.data.node.presence.get("a");
  expect([watch?.watchers.size, watch?.asking.size]).toEqual([1, 0]);
  const { messages } = (await historyOf(witness)) as { messages: { text: string }[] };
  expect(messages.map(({ text }) => text)).toEqual(["still here"]);
  expect(await names(later)).toEqual(["witness"]);
});

/** The history, once the client's own message is acknowledged. */
async function historyOf(client: Client): Promise<Record<string, unknown>> {
  await client.nextOf("ack");
  client.say({ type: "history" });
  return client.nextOf("history");
}

test("a drain closes connections that are still on their way in, or wait, with its own reason", async () => {
  const later = await serveLater();
  const { server, broker } = later;
  const inside = await enter(`${server.ws}/a`);
  const claiming = await enter(`${server.ws}/a`);
  broker.hold = true;
  const arriving = await connect(`${server.ws}/a`);
  claiming.say({ type: "identity", user: "claiming" });
  while (!peersOf(server).some(({ waiting }) => waiting)) await Bun.sleep(1);
  const drained = server.drain();
  for (const one of [arriving, claiming, inside]) expect(await one.closed).toEqual(CLOSE.goingAway);
  broker.hold = false;
  await drained;
});

/** The peers that are in their channels. */
function peersOf(server: TestServer): Peer[] {
  return server.data.edge.wheel.slots.flat();
}

test("a handler that throws at an answer ends its own connection, and no other", async () => {
  const later = await serveLater();
  await using server = later.server;
  const faults = {
    ack: { type: "message", text: "hi", ref: "1" },
    identity: { type: "identity", user: "eve" },
    page: { type: "history" },
    waiting: { type: "nonsense" },
  };
  for (const frame of Object.values(faults)) {
    const ann = await enterAs(`${server.ws}/a`, "ann", V1);
    const bob = await enterAs(`${server.ws}/a`, "bob", V1);
    const [peer] = peersOf(server).filter(({ name }) => name?.key === "ann");
    if (frame === faults.waiting) ann.say({ type: "identity", user: "ann" });
    peer!.send = () => {
      throw new Error("broken on purpose");
    };
    ann.say(frame);
    bob.say({ type: "message", text: "still here", ref: "1" });
    expect((await ann.closed).code).toBe(1011);
    await bob.nextOf("ack");
    await bob.close();
    while ((await later.far.roster("a")).count > 0) await Bun.sleep(1);
  }
});

test("a name that the node has lost can be claimed again", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enterAs(`${server.ws}/a`, "ann", { protocols: ["shoal.v1"] });
  later.broker.evict("lost");
  expect(await ann.nextOf("heartbeat")).toMatchObject({ authenticated: "false" });
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "not_identified", ref: "1" });
  ann.say({ type: "identity", user: "ann" });
  expect((await ann.nextOf("identity")).success).toBe("true");
});
