import { expect, test } from "bun:test";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { enter } from "../helpers/client.ts";
import { frameOf, handshake, rawSocket } from "../helpers/raw.ts";
import { serve } from "../helpers/server.ts";
import { startShoal } from "../helpers/shoal.ts";

const FRAME = frameOf(0x81, new TextEncoder().encode("hello"));
/** The answer to a close frame with 1001. */
const CLOSING = frameOf(0x88, Uint8Array.of(0x03, 0xe9));

test("a server that drains refuses to upgrade with 503, and closes who is there with 1001", async () => {
  const server = await serve();
  const inside = await enter(`${server.ws}/a`);
  // The first half of a request, which the drain waits for.
  const late = await rawSocket(server.http);
  const [first = "", rest = ""] = handshake("/a").split(/(?<=Upgrade: websocket)/);
  late.write(first);
  // Its turn comes after that of the half request.
  await (await enter(`${server.ws}/a`)).close();
  const drained = server.drain();
  late.write(rest);
  await late.until("The server is stopping. Connect again in a moment.\n");
  expect(late.received()).toContain("HTTP/1.1 503 ");
  expect(late.received()).toContain("Retry-After: 1\r\n");
  expect((await inside.closed).code).toBe(1001);
  late.end();
  await drained;
});

test("a drain waits until its clients have closed too, which may still be sending", async () => {
  const server = await serve();
  const events: string[] = [];
  const client = connectTcp({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  client.on("error", (error) => events.push(error.message));
  const opened = once(client, "data");
  client.write(handshake("/a"));
  await opened;
  const asked = once(client, "end");
  const drained = server.drain().then(() => events.push("drained"));
  await asked;
  for (let turn = 0; turn < 100; turn++) {
    client.write(FRAME);
    await new Promise(setImmediate);
  }
  events.push("answered");
  client.end(CLOSING);
  await drained;
  expect(events).toEqual(["answered", "drained"]);
});

/** A client that sends without a pause until it is asked to go, and then goes as it should. */
async function sender(port: number, path: string): Promise<{ ended: Promise<string> }> {
  const client = connectTcp(port, "127.0.0.1");
  const ended = Promise.withResolvers<string>();
  let asked = false;
  client.on("error", (error) => ended.resolve(error.message));
  client.write(handshake(path));
  await once(client, "data");
  const sending = setInterval(() => client.write(FRAME), 1);
  client.on("data", (chunk: Buffer) => {
    if (asked || !chunk.includes("\x03\xe9", 0, "latin1")) return;
    asked = true;
    clearInterval(sending);
    client.end(CLOSING);
  });
  client.on("close", () => {
    clearInterval(sending);
    ended.resolve(asked ? "1001" : "no 1001");
  });
  return { ended: ended.promise };
}

test("on SIGTERM, nobody who is sending gets a reset in place of 1001", async () => {
  const shoal = await startShoal({ env: { MESSAGE_RATE: "0" } });
  const port = Number(new URL(shoal.http).port);
  const senders = await Promise.all(Array.from({ length: 40 }, (_, n) => sender(port, `/${n}`)));
  expect(await shoal.end()).toBe(0);
  for (const { ended } of senders) expect(await ended).toBe("1001");
});

test("closes are logged with their code and reason", async () => {
  const lines: string[] = [];
  await using server = await serve({ messageRate: 0.001, messageBurst: 1 }, { onLog: lines });
  const ann = await enter(`${server.ws}/a`);
  for (let n = 0; n < 102; n++) ann.say("x");
  await ann.closed;
  const [closed] = lines.filter((line) => line.includes("closed by the server"));
  expect(JSON.parse(closed ?? "{}")).toMatchObject({ level: "info", channel: "a", code: 1008 });
});

test("a bug in a handler is logged with its stack", async () => {
  const lines: string[] = [];
  await using server = await serve({}, { onLog: lines });
  const ann = await enter(`${server.ws}/a`);
  const [peer] = server.data.edge.wheel.slots.flat();
  peer!.send = () => {
    throw new Error("broken on purpose");
  };
  ann.say("x");
  expect((await ann.closed).code).toBe(1011);
  const [failed] = lines.filter((line) => line.includes("connection failed"));
  const { error } = JSON.parse(failed ?? "{}") as { error?: string };
  expect(error).toMatch(/^Error: broken on purpose\n +at .*drain\.test\.ts/);
});
