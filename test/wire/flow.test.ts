import { expect, test } from "bun:test";
import { connect } from "../../src/client/client.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { frameOf, handshake, type RawSocket, rawSocket } from "../helpers/raw.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { slowLine } from "../helpers/slow.ts";

/** The server's clock runs ten times as fast here, and so do the lines. */
const FAST = { clock: () => performance.now() * 10 };

/** A server whose channel "a" has 100 long messages, of about 1 MiB together. */
async function full(settings = {}): Promise<TestServer> {
  const server = await serve({ messageRate: 1e6, messageBurst: 1e6, ...settings }, FAST);
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  for (let n = 0; n < 100; n++) {
    ann.say({ type: "message", text: "\u0001".repeat(1700), ref: `${n}` });
    await ann.nextOf("ack");
  }
  await ann.close();
  return server;
}

/** A connection that does not read. */
async function deaf(server: TestServer): Promise<RawSocket> {
  const socket = await rawSocket(server.http);
  socket.write(handshake("/a", ["Sec-WebSocket-Protocol: shoal.v1"]));
  await socket.until('"connection"');
  socket.pause();
  return socket;
}

test("who does not read gets two pages, then busy, and is disconnected", async () => {
  await using server = await full();
  const socket = await deaf(server);
  for (let n = 0; n < 20; n++) socket.frame('{"type":"history"}');
  // A pong that nobody asked for changes nothing.
  for (let n = 0; n < 10; n++) socket.write(frameOf(0x8a, new Uint8Array(8)));
  const watcher = await enterAs(`${server.ws}/a`, "watcher", V1);
  watcher.say({ type: "presence" });
  expect((await watcher.nextOf("presence")).count).toBe(2);
  expect((await watcher.nextOf("presence")).count).toBe(1);
  socket.resume();
  await socket.closed;
  expect(socket.received().split('"type":"history"').length - 1).toBeWithin(2, 4);
}, 30_000);

for (const [name, line] of [
  ["20 KiB per second", { rate: 200 * 1024 }],
  ["a delay of 600 ms", { delay: 30 }],
] as const) {
  test(`a reader with ${name} resumes 100 long messages on one connection`, async () => {
    await using server = await full();
    using slow = await slowLine(server, line);
    const chat = connect(`${slow.ws}/a`, { after: 0 });
    let connected = 0;
    chat.on("state", ({ state }) => void (state === "open" && connected++));
    let count = 0;
    await new Promise<void>((resolve) => chat.on("message", () => ++count === 100 && resolve()));
    expect(connected).toBe(1);
    chat.close();
  }, 30_000);
}

test("beyond SEND_BUFFER_TOTAL, those who do not read are disconnected, and nobody else", async () => {
  const onLog: string[] = [];
  const settings = { sendBufferTotal: 1024 * 1024, messageRate: 1e6, messageBurst: 1e6 };
  await using server = await serve(settings, { onLog });
  const bob = await enterAs(`${server.ws}/a`, "bob", V1);
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const crowd = await Promise.all(Array.from({ length: 8 }, () => deaf(server)));
  let gone = 0;
  for (const { closed } of crowd) void closed.then(() => gone++);
  // What is in flight is a guess until the pongs are there, so this goes on for some sweeps.
  while (gone < crowd.length) {
    for (let n = 0; n < 10; n++) ann.say({ type: "message", text: "\u0001".repeat(2000) });
    for (let n = 0; n < 10; n++) await bob.nextOf("message");
    await Bun.sleep(20);
    // A socket that is not read does not see that it is closed.
    if (onLog.length > 0) for (const socket of crowd) socket.resume();
  }
  expect(JSON.parse(onLog[0]!)).toMatchObject({ channel: "a", reason: "SEND_BUFFER_TOTAL" });
  ann.say({ type: "message", text: "still here" });
  expect((await bob.nextOf("message")).text).toBe("still here");
}, 30_000);
