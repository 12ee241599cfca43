import { expect, test } from "bun:test";
import { enter, enterAs } from "../helpers/client.ts";
import { handshake, rawSocket } from "../helpers/raw.ts";
import { serve } from "../helpers/server.ts";

/**
 * Intervals are short here. That does not make the tests depend on the machine: client and server
 * share a process, and a pause of more than half an interval counts for neither of them.
 */

const NAMED = '{"type":"heartbeat","authenticated":"true"}';
const UNNAMED = '{"type":"heartbeat","authenticated":"false"}';

test("everyone gets heartbeats, with and without a name, as long as they are connected", async () => {
  await using server = await serve({ heartbeatInterval: 0.3 });
  const nameless = await enter(`${server.ws}/a`);
  const ann = await enterAs(`${server.ws}/a`, "ann");
  for (let n = 0; n < 3; n++) {
    expect(await nameless.next()).toBe(UNNAMED);
    expect(await ann.next()).toBe(NAMED);
    ann.say({ type: "heartbeat" });
  }
});

test("a heartbeat left unanswered until the next one frees the name, not the connection", async () => {
  await using server = await serve({ heartbeatInterval: 0.2 });
  const ann = await enterAs(`${server.ws}/a`, "ann");
  expect(await ann.next()).toBe(NAMED);
  expect(await ann.next()).toBe(UNNAMED);
  expect(await ann.next()).toBe(UNNAMED);
  const other = await enterAs(`${server.ws}/a`, "ann");
  await other.close();
  ann.say({ type: "message", text: "hi" });
  expect((await ann.nextOf("error")).code).toBe("not_identified");
  ann.say({ type: "identity", user: "ann" });
  expect((await ann.nextOf("identity")).success).toBe("true");
  expect(await ann.next()).toBe(NAMED);
});

test("a heartbeat left unanswered before taking a name does not count against the name", async () => {
  await using server = await serve({ heartbeatInterval: 0.3 });
  const ann = await enter(`${server.ws}/a`);
  expect(await ann.next()).toBe(UNNAMED);
  expect(await ann.next()).toBe(UNNAMED);
  ann.say({ type: "identity", user: "ann" });
  expect((await ann.nextOf("identity")).success).toBe("true");
  expect(await ann.next()).toBe(NAMED);
  ann.say({ type: "heartbeat" });
  expect(await ann.next()).toBe(NAMED);
});

test("neither a message nor an identity answers a heartbeat", async () => {
  await using server = await serve({ heartbeatInterval: 0.3 });
  const ann = await enterAs(`${server.ws}/a`, "ann");
  expect(await ann.next()).toBe(NAMED);
  ann.say({ type: "identity", user: "ann" });
  ann.say({ type: "message", text: "hi" });
  await ann.nextOf("message");
  expect(await ann.next()).toBe(UNNAMED);
});

test("any number of answers, early or repeated, does no harm", async () => {
  await using server = await serve({ heartbeatInterval: 0.3 });
  const ann = await enter(`${server.ws}/a`);
  for (let n = 0; n < 20; n++) ann.say({ type: "heartbeat", authenticated: "true" });
  ann.say({ type: "identity", user: "ann" });
  expect(await ann.nextOf("identity")).toEqual({ type: "identity", success: "true" });
  for (let n = 0; n < 3; n++) {
    expect(await ann.next()).toBe(NAMED);
    for (let m = 0; m < 3; m++) ann.say({ type: "heartbeat" });
  }
});

test("a peer that answers no pings is disconnected, and its name is free", async () => {
  // The server's clock runs ten times as fast: a peer is dead after 8 seconds of silence.
  const clock = () => performance.now() * 10;
  await using server = await serve({ heartbeatInterval: 4 }, { clock });
  const dead = await rawSocket(server.http);
  dead.write(handshake("/a"));
  dead.frame('{"type":"identity","user":"ghost"}');
  await dead.until('"success":"true"');
  // Its kernel accepts all that is sent, but nobody is there to answer: not even a pong.
  await dead.closed;
  await enterAs(`${server.ws}/a`, "ghost");
});

test("after a standstill of the server, all connections and names are still there", async () => {
  let paused = 0;
  const clock = () => performance.now() + paused;
  await using server = await serve({ heartbeatInterval: 0.3 }, { clock });
  const all = await Promise.all(
    Array.from({ length: 30 }, (_, n) => enterAs(`${server.ws}/a`, `n${n}`, { alive: true })),
  );
  const beats = all.map(({ socket }) => {
    const heard: string[] = [];
    socket.addEventListener("message", ({ data }) => {
      if (String(data).includes('"heartbeat"')) heard.push(String(data));
    });
    return heard;
  });
  const untilEachHas = async (count: number) => {
    while (beats.some(({ length }) => length < count)) {
      expect(all.filter(({ socket }) => socket.readyState !== WebSocket.OPEN)).toEqual([]);
      await Bun.sleep(5);
    }
    for (const [n, one] of all.entries()) {
      one.say({ type: "message", text: "still here" });
      while ((await one.nextOf("message")).user !== `n${n}`);
    }
  };
  await untilEachHas(1);
  // A peer is dead after 8 seconds of silence.
  paused = 60_000;
  await untilEachHas(3);
  expect(new Set(beats.flat())).toEqual(new Set([NAMED]));
});
