import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { handshake, rawSocket } from "../helpers/raw.ts";
import { serve, type TestServer } from "../helpers/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-v1-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Takes a name. @returns the answer */
async function identify(client: Client, user: string, session?: unknown) {
  client.say({ type: "identity", user, session });
  return client.nextOf("identity");
}

interface Item {
  text: string;
  id: number;
  prev: number;
}

async function historyOf(client: Client, query: Record<string, unknown> = {}) {
  client.say({ type: "history", ...query });
  const { messages, gap, more } = await client.nextOf("history");
  return { messages: messages as Item[], gap, more };
}

describe.each(["", join(folder, "v1.sqlite")])("shoal.v1, database %j", (database) => {
  let server: TestServer;
  let channels = 0;
  const channel = () => `${server.ws}/v1-${channels++}`;
  beforeAll(async () => {
    server = await serve({ database, messageRate: 0 });
  });
  afterAll(() => server.drain());

  test("every frame, byte by byte", async () => {
    const before = Date.now() * 1000;
    const ann = await connect(`${server.ws}/fishing`, V1);
    const hello = await ann.next();
    const { last } = JSON.parse(hello) as { last: number };
    // Without a database, whatever was said before the start may be forgotten.
    if (database === "") expect(Math.abs(before - last)).toBeLessThan(3_600_000_000);
    else expect(last).toBe(0);
    expect(hello.replace(`"last":${last}`, '"last":LAST')).toBe(
      '{"type":"connection","id":"fishing","last":LAST,"heartbeat":86400,"limits":{"text":2000,"rate":0,"burst":50,"history":100}}',
    );
    ann.say('{"type":"identity","user":"  Ann "}');
    const granted = await ann.next();
    const { session } = JSON.parse(granted) as { session: string };
    expect(session).toMatch(/^[\w-]{44}$/);
    expect(granted).toBe(
      `{"type":"identity","success":"true","user":"Ann","session":"${session}"}`,
    );
    ann.say('{"type":"message","text":"one"}');
    const first = JSON.parse(await ann.next()) as { id: number; timestamp: number };
    expect(first.timestamp).toBe(Math.floor(first.id / 1_000_000));
    ann.say('{"type":"message","text":"two","ref":"a \\"ref\\""}');
    const two = [await ann.next(), await ann.next()].toSorted();
    const { id } = JSON.parse(two[0]!) as { id: number };
    expect(two).toEqual([
      `{"type":"ack","ref":"a \\"ref\\"","id":${id}}`,
      `{"type":"message","text":"two","timestamp":${Math.floor(id / 1e6)},"user":"Ann","id":${id},"prev":${first.id}}`,
    ]);
    ann.say('{"type":"history"}');
    expect(await ann.next()).toBe(
      `{"type":"history","messages":[{"text":"one","timestamp":${first.timestamp},"user":"Ann","id":${first.id},"prev":${last}},` +
        `{"text":"two","timestamp":${Math.floor(id / 1e6)},"user":"Ann","id":${id},"prev":${first.id}}],"gap":"false","more":"false"}`,
    );
    ann.say('{"type":"presence"}');
    expect(await ann.next()).toBe('{"type":"presence","count":1,"names":["Ann"]}');
    const bob = await connect(`${server.ws}/fishing`, V1);
    expect(JSON.parse(await bob.next())).toMatchObject({ type: "connection", last: id });
    bob.say('{"type":"identity","user":"ann"}');
    expect(await bob.next()).toBe(
      '{"type":"identity","success":"false","code":"name_taken","message":"Somebody in this channel has this name. Ask for another one."}',
    );
    bob.say('{"type":"identity","user":"bob"}');
    await bob.next();
    expect(await ann.next()).toBe('{"type":"presence","count":2,"joined":["bob"],"left":[]}');
    bob.say('{"type":"message","text":"two","ref":"r"}');
    bob.say('{"type":"message","text":"other","ref":"r"}');
    const error = await bob.nextOf("error");
    expect(error).toEqual({
      type: "error",
      code: "ref_reused",
      message: 'This "ref" stands for another text already. Use a new one for each message.',
      ref: "r",
    });
  });

  test("a plain neighbour sees the plain frames alone, of the same messages", async () => {
    const url = channel();
    const plain = await enterAs(url, "plain");
    const ann = await enterAs(url, "ann", V1);
    ann.say({ type: "presence" });
    ann.say({ type: "message", text: "from v1", ref: "1" });
    plain.say({ type: "message", text: "from plain", ref: "2" });
    const frames = [await plain.next(), await plain.next()].map((frame) => JSON.parse(frame));
    for (const frame of frames) {
      expect(Object.keys(frame)).toEqual(["type", "text", "timestamp", "user"]);
    }
    expect(plain.rest).toEqual([]);
    const texts = [(await ann.nextOf("message")).text, (await ann.nextOf("message")).text];
    expect(texts).toEqual(frames.map(({ text }) => text));
  });

  test("resume: history after the last id and the live messages are every message once", async () => {
    const url = channel();
    const writer = await enterAs(url, "writer", V1);
    for (let n = 0; n < 10; n++) writer.say({ type: "message", text: `${n}` });
    const seen: number[] = [];
    for (let n = 0; n < 10; n++) seen.push((await writer.nextOf("message")).id as number);
    const back = await connect(url, V1);
    const { last } = await back.nextOf("connection");
    expect(last).toBe(seen[9]!);
    writer.say({ type: "message", text: "live" });
    const { messages, gap, more } = await historyOf(back, { after: seen[5] });
    expect([gap, more]).toEqual(["false", "false"]);
    const live = back.rest.filter((frame) => frame.includes('"text":"live"')).length;
    const texts = messages.map(({ text }) => text);
    if (live === 0 && !texts.includes("live"))
      texts.push(String((await back.nextOf("message")).text));
    expect(texts.filter((text) => text !== "live")).toEqual(["6", "7", "8", "9"]);
    let prev = seen[5]!;
    for (const message of messages) {
      expect(message.prev).toBe(prev);
      prev = message.id;
    }
  });

  test("history: limits, directions, and what is no request", async () => {
    const url = channel();
    const ann = await enterAs(url, "ann", V1);
    for (let n = 0; n < 60; n++) ann.say({ type: "message", text: `${n}` });
    const last = await (async () => {
      for (;;) {
        const { text, id } = await ann.nextOf("message");
        if (text === "59") return id as number;
      }
    })();
    const texts = (found: { messages: Item[] }) => found.messages.map(({ text }) => Number(text));
    const usual = await historyOf(ann);
    expect([texts(usual).length, usual.more]).toEqual([50, "true"]);
    expect(texts(await historyOf(ann, { limit: 10_000 })).length).toBe(60);
    const older = await historyOf(ann, { before: usual.messages[0]!.id });
    expect([texts(older), older.more]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "false"]);
    const nothing = await historyOf(ann, { after: last });
    expect(nothing).toEqual({ messages: [], gap: "false", more: "false" });
    expect((await historyOf(ann, { after: last + 1 })).gap).toBe("true");
    expect((await historyOf(ann, { after: 12345 })).gap).toBe("true");
    for (const query of [
      { limit: 0 },
      { limit: 1.5 },
      { limit: "10" },
      { after: -1 },
      { after: "1" },
      { before: 2 ** 53 },
      { after: 1, before: 2 },
    ]) {
      ann.say({ type: "history", ...query });
      expect((await ann.nextOf("error")).code).toBe("invalid_field");
    }
  });

  test("a page is at most 256 KiB, and says that there is more", async () => {
    const url = channel();
    const ann = await enterAs(url, "ann", V1);
    const text = "\u0001".repeat(2000);
    for (let n = 0; n < 60; n++) ann.say({ type: "message", text });
    for (let n = 0; n < 60; n++) await ann.nextOf("message");
    ann.say({ type: "history", limit: 60 });
    const newest = await ann.next();
    expect(newest.length).toBeLessThanOrEqual(256 * 1024);
    const page = JSON.parse(newest) as { messages: Item[]; more: string };
    expect([page.messages.length, page.more]).toEqual([21, "true"]);
    const older = await historyOf(ann, { before: page.messages[0]!.id, limit: 200 });
    expect(older.messages.at(-1)!.id).toBe(page.messages[0]!.prev);
    const forward = await historyOf(ann, { after: older.messages[0]!.id, limit: 200 });
    expect([forward.messages[0]!.prev, forward.gap, forward.more]).toEqual([
      older.messages[0]!.id,
      "false",
      "true",
    ]);
  });

  test("a ref is 1 to 64 characters; other refs are no field of a message", async () => {
    const ann = await enterAs(channel(), "ann", V1);
    for (const ref of ["", "x".repeat(65), 5, null, {}]) {
      ann.say({ type: "message", text: "hi", ref });
      expect((await ann.nextOf("error")).code).toBe("invalid_field");
    }
    ann.say({ type: "message", text: "hi", ref: "x".repeat(64) });
    expect((await ann.nextOf("ack")).ref).toBe("x".repeat(64));
    ann.say({ type: "message", text: " ", ref: "blank" });
    expect(await ann.nextOf("error")).toMatchObject({ code: "text_blank", ref: "blank" });
  });

  test("a message that is refused for a field of it is told with its ref", async () => {
    const ann = await enterAs(channel(), "ann", V1);
    ann.say({ type: "message", ref: "r" });
    expect(await ann.nextOf("error")).toMatchObject({ code: "invalid_field", ref: "r" });
    ann.say({ type: "message", text: "hi", ref: "\ud800" });
    const error = await ann.nextOf("error");
    expect([error.code, "ref" in error]).toEqual(["invalid_field", false]);
  });

  test("with no history kept, nothing else changes", async () => {
    const path = database === "" ? "" : join(folder, "none.sqlite");
    const settings = { database: path, historyLimit: 0, messageRate: 0 };
    const none = await serve(settings);
    const ann = await enterAs(`${none.ws}/a`, "ann", V1);
    ann.say({ type: "message", text: "one", ref: "1" });
    ann.say({ type: "message", text: "two", ref: "2" });
    const one = await ann.nextOf("message");
    const two = await ann.nextOf("message");
    expect(two.prev).toBe(one.id!);
    expect(await historyOf(ann, { after: two.id })).toMatchObject({ messages: [], gap: "false" });
    expect(await historyOf(ann, { after: one.id })).toMatchObject({ messages: [], gap: "true" });
    expect(await historyOf(ann)).toMatchObject({ messages: [], gap: "false" });
    await none.drain();
    if (path === "") return;
    const file = new Database(path, { readonly: true });
    expect(file.query("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 0 });
    file.close();
    const again = await serve(settings);
    const back = await connect(`${again.ws}/a`, V1);
    expect((await back.nextOf("connection")).last).toBe(two.id!);
    await again.drain();
  });

  test("sessions: kept over renames and reconnects, and unlike one another", async () => {
    const url = channel();
    const ann = await enter(url, V1);
    const { session } = await identify(ann, "ann");
    expect((await identify(ann, "anna")).session).toBe(session!);
    expect((await identify(ann, "")).user).toBe("");
    ann.say({ type: "message", text: "hi" });
    expect((await ann.nextOf("error")).code).toBe("not_identified");
    expect((await identify(ann, "ann")).session).toBe(session!);
    await ann.close();
    const again = await enter(url, V1);
    expect((await identify(again, "other", session)).session).toBe(session!);
    const stranger = await enter(url, V1);
    const forged = `${String(session).slice(0, -1)}${String(session).endsWith("A") ? "B" : "A"}`;
    for (const wrong of [forged, "x", "", "x".repeat(44), `${session}x`]) {
      const answer = await identify(stranger, "stranger", wrong);
      expect(answer.success).toBe("true");
      expect(answer.session).not.toBe(session!);
    }
    stranger.say({ type: "identity", user: "stranger", session: 5 });
    expect(await stranger.nextOf("identity")).toMatchObject({
      success: "false",
      code: "invalid_field",
    });
  });

  test("a name is taken back from one's own other connection, which hears it and does not fight", async () => {
    const url = channel();
    const old = await enter(url, V1);
    const { session } = await identify(old, "ann");
    const next = await enter(url, V1);
    expect((await identify(next, "Ann")).success).toBe("false");
    expect(await identify(next, "Ann", session)).toEqual({
      type: "identity",
      success: "true",
      user: "Ann",
      session,
    });
    expect(await old.next()).toBe(
      '{"type":"identity","success":"false","code":"replaced","message":"Another connection with your session took this name."}',
    );
    old.say({ type: "message", text: "hi" });
    expect((await old.nextOf("error")).code).toBe("not_identified");
    expect(await identify(old, "ann")).toMatchObject({ success: "false", code: "name_taken" });
    await old.close();
    next.say({ type: "message", text: "mine" });
    expect((await next.nextOf("message")).user).toBe("Ann");
  });

  test("with its session a client's ref is known on its next connection", async () => {
    const url = channel();
    const ann = await enter(url, V1);
    const { session } = await identify(ann, "ann");
    ann.say({ type: "message", text: "once", ref: "r" });
    const { id } = await ann.nextOf("ack");
    await ann.close();
    const again = await enter(url, V1);
    await identify(again, "ann", session);
    again.say({ type: "message", text: "once", ref: "r" });
    expect((await again.nextOf("ack")).id).toBe(id!);
    expect((await historyOf(again)).messages.length).toBe(1);
  });
});

test("without a database, whoever comes back after a restart is told of a gap", async () => {
  const first = await serve();
  const ann = await connect(`${first.ws}/a`, V1);
  const { last } = await ann.nextOf("connection");
  await first.drain();
  await using again = await serve();
  const back = await connect(`${again.ws}/a`, V1);
  await back.nextOf("connection");
  for (const after of [last, 0]) expect((await historyOf(back, { after })).gap).toBe("true");
  back.say({ type: "identity", user: "ann" });
  back.say({ type: "message", text: "hi" });
  expect((await back.nextOf("message")).prev).not.toBe(last!);
});

test("names that were held when the server stopped wait for their sessions on the next start", async () => {
  const settings = { database: join(folder, "drain.sqlite"), heartbeatInterval: 1 };
  const first = await serve(settings);
  const ann = await enter(`${first.ws}/a`, V1);
  const { session } = await identify(ann, "ann");
  await Bun.sleep(1100);
  await first.drain();
  await using again = await serve(settings);
  const bob = await enter(`${again.ws}/a`, V1);
  expect((await identify(bob, "ann")).code).toBe("name_taken");
  const back = await enter(`${again.ws}/a`, V1);
  expect(await identify(back, "Ann", session)).toMatchObject({ success: "true", session });
});

describe("names that come back", () => {
  /** A v1 connection whose end is under our control. */
  async function broken(server: TestServer, session?: string) {
    const socket = await rawSocket(server.http);
    socket.write(handshake("/a", ["Sec-WebSocket-Protocol: shoal.v1"]));
    socket.frame(JSON.stringify({ type: "identity", user: "ann", session }));
    await socket.until('"success":"true"');
    return { socket, session: /"session":"([^"]+)"/.exec(socket.received())![1]! };
  }

  test("one that broke off after a heartbeat is kept for its session, and shown meanwhile", async () => {
    await using server = await serve({ heartbeatInterval: 1, sessionGrace: 600 });
    const { socket, session } = await broken(server);
    const bob = await enterAs(`${server.ws}/a`, "bob", V1);
    bob.say({ type: "presence" });
    expect(await bob.nextOf("presence")).toMatchObject({ count: 2, names: ["ann", "bob"] });
    // Held for one interval at least.
    const answering = setInterval(() => socket.frame('{"type":"heartbeat"}'), 50);
    await Bun.sleep(1100);
    clearInterval(answering);
    socket.end();
    expect(await bob.nextOf("presence")).toEqual({
      type: "presence",
      count: 1,
      joined: [],
      left: [],
    });
    expect(await identify(bob, "ann")).toMatchObject({ success: "false", code: "name_taken" });
    const ann = await enter(`${server.ws}/a`, V1);
    expect(await identify(ann, "ann", session)).toMatchObject({ success: "true", session });
    await ann.close();
    expect(await identify(bob, "ann")).toMatchObject({ success: "true" });
  });

  test("one that is only kept is given up like any other", async () => {
    await using server = await serve({ heartbeatInterval: 1, sessionGrace: 600 });
    const { socket, session } = await broken(server);
    const answering = setInterval(() => socket.frame('{"type":"heartbeat"}'), 50);
    await Bun.sleep(1100);
    clearInterval(answering);
    socket.end();
    const ann = await enter(`${server.ws}/a`, V1);
    while ((await identify(ann, "", session)).success !== "true");
    const bob = await enter(`${server.ws}/a`, V1);
    while ((await identify(bob, "ann")).success === "false") {
      // The server may see the end of the first one only now.
      await identify(ann, "", session);
    }
  });

  test("not for a plain client, not after a good-bye, and not with a grace of 0", async () => {
    await using server = await serve({ heartbeatInterval: 0.05, sessionGrace: 0 });
    const { socket } = await broken(server);
    await Bun.sleep(100);
    socket.end();
    await socket.closed;
    const bob = await enter(`${server.ws}/a`, V1);
    while ((await identify(bob, "ann")).success === "false") await Bun.sleep(5);
  });

  test("one that is lost by missed heartbeats is free at once", async () => {
    await using server = await serve({ heartbeatInterval: 0.1, sessionGrace: 600 });
    const { socket } = await broken(server);
    await socket.until('"authenticated":"false"');
    const bob = await enter(`${server.ws}/a`, V1);
    expect((await identify(bob, "ann")).success).toBe("true");
    socket.end();
  });
});

describe("presence", () => {
  test("a mass reconnect costs each a few frames, and ends in the right picture", async () => {
    await using server = await serve({ messageRate: 0 });
    const url = `${server.ws}/crowd`;
    const watcher = await enterAs(url, "watcher", V1);
    watcher.say({ type: "presence" });
    await watcher.nextOf("presence");
    const crowd = await Promise.all(
      Array.from({ length: 400 }, (_, n) => enterAs(url, `n${n}`, V1)),
    );
    const names = new Set(["watcher"]);
    let count = 1;
    let frames = 0;
    while (names.size < 401 || count < 401) {
      const frame = await watcher.nextOf("presence");
      frames++;
      count = frame.count as number;
      for (const name of frame.joined as string[]) names.add(name);
    }
    expect(frames).toBeLessThan(100);
    await Promise.all(crowd.map((client) => client.close()));
    while (count > 1) ({ count } = (await watcher.nextOf("presence")) as { count: number });
  });
});
