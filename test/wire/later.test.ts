import { expect, test } from "bun:test";
import type { Awaitable, Broker, BrokerEvents, PublishFault } from "../../src/broker/broker.ts";
import { createMemoryBroker, createMemoryData } from "../../src/broker/memory.ts";
import { type Client, connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** Connections on a broker that answers later, as one behind a network does. */

interface Later {
  server: TestServer;
  broker: Broker;
  events: BrokerEvents;
  /** Whether answers are held back until the next time this is false. */
  hold: boolean;
  /** What the next publish is answered, without being done. */
  refuse: PublishFault | undefined;
}

async function serveLater(): Promise<Later> {
  const later = { hold: false, refuse: undefined } as Later;
  let queue: Promise<unknown> = Promise.resolve();
  /** In order, each after a while, as commands on one connection to a store are. */
  function after<T>(work: () => Awaitable<T>): Promise<T> {
    const done = queue.then(async () => {
      do await Bun.sleep(Math.random() * 2);
      while (later.hold);
      return work();
    });
    queue = done;
    return done;
  }
  later.server = await serve(
    { messageRate: 0 },
    {
      openBroker(events) {
        const rules = {
          history: { limit: 100, ttl: 1e6, memory: 1e6 },
          names: { grace: 0, heldFor: 0 },
        };
        const broker = createMemoryBroker(createMemoryData(0), rules, Date.now, events);
        later.broker = broker;
        later.events = events;
        return {
          ...broker,
          join: (channel) => after(() => broker.join(channel)),
          leave: (channel) => void after(() => broker.leave(channel)),
          claim: (channel, claim) => after(() => broker.claim(channel, claim)),
          release: (channel, release) => void after(() => broker.release(channel, release)),
          publish: (channel, draft) =>
            after(() => {
              const fault = later.refuse;
              later.refuse = undefined;
              return fault ?? broker.publish(channel, draft);
            }),
          history: (channel, query) => after(() => broker.history(channel, query)),
          roster: (channel) => after(() => broker.roster(channel)),
        };
      },
    },
  );
  return later;
}

async function names({ broker }: Later): Promise<string[]> {
  return (await broker.roster("a")).names.toSorted();
}

/** Waits until the broker has done all that was asked of it. */
async function quiet(client: Client): Promise<void> {
  client.say("done");
  for (;;) if ((await client.nextOf("error")).code === "invalid_json") return;
}

test("what is sent in one go takes effect in the order sent, from the first frame on", async () => {
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

test("who closes while its claim or its arrival is under way leaves nothing behind", async () => {
  const later = await serveLater();
  await using server = later.server;
  const witness = await enterAs(`${server.ws}/a`, "witness");
  later.hold = true;
  const arriving = await connect(`${server.ws}/a`);
  arriving.say({ type: "identity", user: "arriving" });
  // A connection that waits is not read from, so its end is seen afterwards.
  arriving.socket.terminate();
  later.hold = false;
  await arriving.closed;
  const claiming = await enter(`${server.ws}/a`, V1);
  later.hold = true;
  claiming.say({ type: "identity", user: "claiming" });
  claiming.socket.terminate();
  later.hold = false;
  await claiming.closed;
  while ((await later.broker.roster("a")).count !== 1) await Bun.sleep(1);
  while ((await names(later)).length !== 1) await Bun.sleep(1);
  expect(await names(later)).toEqual(["witness"]);
  await quiet(witness);
});

test("one history request is under way at a time", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enter(`${server.ws}/a`, V1);
  later.hold = true;
  ann.say({ type: "history" });
  ann.say({ type: "history" });
  expect((await ann.nextOf("error")).code).toBe("busy");
  later.hold = false;
  await ann.nextOf("history");
  ann.say({ type: "history" });
  await ann.nextOf("history");
});

test("a refused message is told, with its ref to who gave one", async () => {
  const later = await serveLater();
  await using server = later.server;
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const bob = await enterAs(`${server.ws}/a`, "bob");
  later.refuse = "unavailable";
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "unavailable", ref: "1" });
  later.refuse = "unknown";
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect(await ann.nextOf("error")).toMatchObject({ code: "unknown", ref: "1" });
  later.refuse = "unavailable";
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
  const { broker } = later;
  const far = {};
  await broker.join("a");
  const claim = {
    holder: far,
    name: { shown: "far", key: "far" },
    held: undefined,
    session: undefined,
  };
  expect(await broker.claim("a", claim)).toBe(true);
  await broker.publish("a", { text: '"from afar"', user: '"far"' });
  expect(await ann.nextOf("message")).toMatchObject({ text: "from afar", user: "far" });
  expect(await ann.nextOf("presence")).toMatchObject({ count: 2, joined: ["far"] });
  ann.say({ type: "identity", user: "far" });
  expect((await ann.nextOf("identity")).code).toBe("name_taken");
});
