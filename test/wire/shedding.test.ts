import { expect, test } from "bun:test";
import { type Client, enterAs, V1 } from "../helpers/client.ts";
import { OVERLOADED } from "../../src/protocol/codes.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** The server sheds messages that ask for more deliveries than the machine can make. */

/** 12 kB in a frame. */
const LONG = "x".padEnd(2000, "\u0001");

/** So many connections that ignore what they hear. */
async function listen(server: TestServer, count: number): Promise<void> {
  const sockets = Array.from({ length: count }, () => new WebSocket(`${server.ws}/a`));
  await Promise.all(sockets.map((socket) => new Promise((done) => (socket.onmessage = done))));
}

/** Sends so many long messages at once. @returns the answer to each */
async function flood(client: Client, count: number): Promise<string[]> {
  for (let n = 0; n < count; n++) client.say({ type: "message", text: LONG, ref: `${n}` });
  const answers: string[] = [];
  while (answers.length < count) {
    const frame = await client.next();
    if (!frame.startsWith('{"type":"message"')) answers.push(frame);
  }
  return answers;
}

/** Asks who is here until it has read enough of what was sent to be answered. */
async function presence(client: Client): Promise<Record<string, unknown>> {
  for (;;) {
    client.say({ type: "presence" });
    const frame = JSON.parse(await client.next()) as Record<string, unknown>;
    if (frame.type === "presence") return frame;
    if (frame.code !== "busy") throw new Error(`unexpected: ${JSON.stringify(frame)}`);
    await Bun.sleep(5);
  }
}

test("whoever asks for most is refused, but neither disconnected nor left without answers", async () => {
  // No time passes, so nothing that waits is ever taken for delivered.
  await using server = await serve({ messageBurst: 1000 }, { clock: () => 0 });
  await listen(server, 30);
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const bob = await enterAs(`${server.ws}/a`, "bob", V1);
  const answers = await flood(ann, 400);
  const acks = answers.filter((frame) => frame.startsWith('{"type":"ack"')).length;
  const refused = answers.filter((frame) => frame.includes(OVERLOADED)).length;
  expect(acks).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(100);
  expect(acks + refused).toBe(400);
  // Questions have answers, and someone who asked for little is heard.
  expect((await presence(ann)).count).toBe(32);
  bob.say({ type: "message", text: "hi", ref: "b" });
  await bob.nextOf("ack");
});

test("removals are shed as well, since everyone is sent them", async () => {
  const settings = { messageBurst: 2000, historyLimit: 1000 };
  await using server = await serve(settings, { clock: () => 0 });
  await listen(server, 30);
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const ids: unknown[] = [];
  for (let n = 0; n < 100; n++) {
    ann.say({ type: "message", text: "x", ref: `${n}` });
    ids.push((await ann.nextOf("ack")).id);
  }
  await flood(ann, 400);
  for (const id of ids) ann.say({ type: "delete", id, ref: `delete ${id}` });
  const refused = Array.from(ids, () => ann.nextOf("error"));
  expect((await Promise.all(refused)).every(({ message }) => message === OVERLOADED)).toBe(true);
});

test("with MESSAGE_RATE=0 nothing is shed", async () => {
  await using server = await serve({ messageRate: 0 }, { clock: () => 0 });
  await listen(server, 30);
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const answers = await flood(ann, 400);
  expect(answers.filter((frame) => frame.startsWith('{"type":"ack"')).length).toBe(400);
});
