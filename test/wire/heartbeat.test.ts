import { expect, test } from "bun:test";
import { connect, enter, enterAs } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";
import { startShoal } from "../helpers/shoal.ts";
import { handshake, rawSocket } from "../helpers/raw.ts";

const NAMED = '{"type":"heartbeat","authenticated":"true"}';
const UNNAMED = '{"type":"heartbeat","authenticated":"false"}';

test("come to everyone, with and without an identity, until the connection ends", async () => {
  await using server = await serve({ heartbeatInterval: 1.5 });
  const nameless = await enter(`${server.ws}/a`);
  const ann = await enterAs(`${server.ws}/a`, "ann");
  for (let n = 0; n < 3; n++) {
    expect(await nameless.next()).toBe(UNNAMED);
    expect(await ann.next()).toBe(NAMED);
    ann.say({ type: "heartbeat" });
  }
});

test("one unanswered when the next is due: the name is free, the connection lives on", async () => {
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

test("one left unanswered before an identity was won does not count against it", async () => {
  await using server = await serve({ heartbeatInterval: 1.5 });
  const ann = await enter(`${server.ws}/a`);
  expect(await ann.next()).toBe(UNNAMED);
  expect(await ann.next()).toBe(UNNAMED);
  ann.say({ type: "identity", user: "ann" });
  expect((await ann.nextOf("identity")).success).toBe("true");
  expect(await ann.next()).toBe(NAMED);
  ann.say({ type: "heartbeat" });
  expect(await ann.next()).toBe(NAMED);
});

test("a message or an identity is no answer to a heartbeat", async () => {
  await using server = await serve({ heartbeatInterval: 0.3 });
  const ann = await enterAs(`${server.ws}/a`, "ann");
  expect(await ann.next()).toBe(NAMED);
  ann.say({ type: "identity", user: "ann" });
  ann.say({ type: "message", text: "hi" });
  await ann.nextOf("message");
  expect(await ann.next()).toBe(UNNAMED);
});

test("any number of answers, early or doubled, does no harm", async () => {
  await using server = await serve({ heartbeatInterval: 1.5 });
  const ann = await enter(`${server.ws}/a`);
  for (let n = 0; n < 20; n++) ann.say({ type: "heartbeat", authenticated: "true" });
  ann.say({ type: "identity", user: "ann" });
  expect(await ann.nextOf("identity")).toEqual({ type: "identity", success: "true" });
  for (let n = 0; n < 3; n++) {
    expect(await ann.next()).toBe(NAMED);
    for (let m = 0; m < 3; m++) ann.say({ type: "heartbeat" });
  }
});

test("a peer that answers no ping of the socket is dead, and its name is free", async () => {
  await using server = await serve({ heartbeatInterval: 2 });
  const dead = await rawSocket(server.http);
  dead.write(handshake("/a"));
  dead.frame('{"type":"identity","user":"ghost"}');
  await dead.until('"success":"true"');
  // Its kernel takes all that is sent, but nobody is there to answer: not even a pong.
  const started = performance.now();
  await dead.closed;
  expect(performance.now() - started).toBeLessThan(40_000);
  const ann = await connect(`${server.ws}/a`);
  await ann.next();
  ann.say({ type: "identity", user: "ghost" });
  expect((await ann.nextOf("identity")).success).toBe("true");
}, 60_000);

test("who was connected to a server that stood still keeps connection and name", async () => {
  const shoal = await startShoal({ env: { HEARTBEAT_INTERVAL: "3" } });
  const url = `${shoal.ws}/a`;
  const all = await Promise.all(
    Array.from({ length: 30 }, (_, n) => enterAs(url, `n${n}`, { alive: true })),
  );
  let closed = 0;
  for (const one of all) void one.closed.then(() => closed++);
  process.kill(shoal.pid, "SIGSTOP");
  // Without a sign of life for 8 s, one counts as dead.
  await Bun.sleep(9000);
  process.kill(shoal.pid, "SIGCONT");
  await Bun.sleep(3500);
  expect(closed).toBe(0);
  for (const [n, one] of all.entries()) {
    one.say({ type: "message", text: `${n}` });
    const heard = await one.nextOf("message");
    expect(heard.user).toBe(`n${heard.text}`);
  }
  await shoal.end();
});
