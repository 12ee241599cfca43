import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChatOptions, connect, type Sent } from "../../src/client/client.ts";
import { collect, once, tap, texts, until } from "../helpers/chat.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { startShoal } from "../helpers/shoal.ts";

/** Retries as soon as possible. */
const QUICK: ChatOptions = { random: () => 0 };

/** A chat that ends with the test. */
function chat(url: string, options: ChatOptions = {}) {
  const made = connect(url, { ...QUICK, ...options });
  return Object.assign(made, { [Symbol.dispose]: () => made.close() });
}

/** Settings without a rate limit. */
const FREE = { messageRate: 0 };

describe("a conversation", () => {
  test("starts with a page of history and returns own messages with their refs", async () => {
    await using server = await serve();
    const ann = await enterAs(`${server.ws}/talk`, "ann", V1);
    ann.say({ type: "message", text: "before" });
    await ann.nextOf("message");

    using bob = chat(`${server.http}/talk`, { name: "bob", presence: true });
    const limits = once(bob, "limits");
    const messages = collect(bob, "message");
    const presence = collect(bob, "presence");
    const session = once(bob, "session");
    const history = await once(bob, "history");
    expect(texts(history.messages)).toEqual(["before"]);
    expect(history).toMatchObject({ gap: false, more: false });
    expect(await limits).toEqual({ text: 2000, rate: 10, burst: 50, history: 100 });
    expect((await session).session).toBe(bob.session!);

    const one = bob.send("hello");
    const two = bob.send("again");
    expect(one.ref).not.toBe(two.ref);
    const [first, second] = [await one.sent, await two.sent];
    ann.say({ type: "message", text: "hello" });
    await until(() => messages.length === 3);
    expect(texts(messages)).toEqual(["hello", "again", "hello"]);
    expect(messages.map(({ ref }) => ref)).toEqual([one.ref, two.ref, undefined]);
    expect([first, second] as unknown[]).toEqual(
      messages.slice(0, 2).map(({ id }) => ({ ok: true, id })),
    );
    expect(bob).toMatchObject({ state: "open", user: "bob", plain: false, last: messages[2]!.id! });
    await until(() => presence.at(-1)?.count === 2 && presence.at(-1)?.names?.length === 2);
    expect(presence.at(-1)?.names?.toSorted()).toEqual(["ann", "bob"]);
    await ann.close();
    await until(() => presence.at(-1)?.names?.length === 1);
  });

  test("pages back through the history", async () => {
    await using server = await serve(FREE);
    using ann = chat(`${server.ws}/back`, { name: "ann", history: 0 });
    for (let at = 0; at < 9; at++) await ann.send(`${at}`).sent;
    using bob = chat(`${server.ws}/back`, { history: 3 });
    const first = await once(bob, "history");
    expect(texts(first.messages)).toEqual(["6", "7", "8"]);
    expect(first.more).toBeTrue();
    const before = await bob.history({ before: first.messages[0]!.id!, limit: 5 });
    expect(texts(before.messages)).toEqual(["1", "2", "3", "4", "5"]);
    const after = await bob.history({ after: first.messages[1]!.id! });
    expect(texts(after.messages)).toEqual(["8"]);
    await expect(bob.history({ before: 1, after: 1 })).rejects.toThrow("field");
    const all = await Promise.all([1, 2, 3].map((limit) => bob.history({ limit })));
    expect(all.map(({ messages }) => messages.length)).toEqual([1, 2, 3]);
  });

  test("resumes after a saved id", async () => {
    await using server = await serve(FREE);
    using ann = chat(`${server.ws}/kept`, { name: "ann", history: 0 });
    const ids: number[] = [];
    for (let at = 0; at < 5; at++) {
      const sent = await ann.send(`${at}`).sent;
      ids.push(sent.ok ? sent.id! : 0);
    }
    using bob = chat(`${server.ws}/kept`, { after: ids[1]! });
    const messages = collect(bob, "message");
    const pages = collect(bob, "history");
    const gaps = collect(bob, "gap");
    await until(() => messages.length === 3);
    expect(texts(messages)).toEqual(["2", "3", "4"]);
    expect([...pages, ...gaps]).toEqual([]);
  });
});

describe("a name", () => {
  test("can be taken, changed, refused and given up", async () => {
    await using server = await serve();
    using ann = chat(`${server.ws}/names`);
    using bob = chat(`${server.ws}/names`, { name: "bob" });
    const identities = collect(ann, "identity");
    await once(bob, "identity");
    const refused = await ann.send("who am I?").sent;
    expect(refused).toMatchObject({ ok: false, code: "not_identified" });
    expect(await ann.identify("ann")).toEqual({ ok: true, user: "ann" });
    expect(await ann.identify("BOB")).toMatchObject({ ok: false, code: "name_taken" });
    expect(await ann.identify(" a\u200bb")).toMatchObject({ ok: false, code: "name_invalid" });
    expect(ann.user).toBe("ann");
    expect(await ann.identify("Anne ")).toEqual({ ok: true, user: "Anne" });
    await ann.leave();
    expect(ann.user).toBeUndefined();
    expect(await bob.identify("anne")).toEqual({ ok: true, user: "anne" });
    expect(identities).toEqual([{ user: "ann" }, { user: "Anne" }, { user: undefined }]);
  });

  test("given to connect() and refused becomes an error event", async () => {
    await using server = await serve();
    using ann = chat(`${server.ws}/names`, { name: "ann" });
    await once(ann, "identity");
    using other = chat(`${server.ws}/names`, { name: "ann" });
    expect((await once(other, "error")).code).toBe("name_taken");
    expect(other.user).toBeUndefined();
  });

  test("is not taken back after a takeover, and messages wait for the next name", async () => {
    await using server = await serve();
    const wire = tap();
    using first = chat(`${server.ws}/tabs`, { name: "ann", webSocket: wire.webSocket });
    const { session } = await once(first, "session");
    const replaced = once(first, "replaced");
    using second = chat(`${server.ws}/tabs`, { session });
    expect(await second.identify("ann")).toEqual({ ok: true, user: "ann" });
    expect((await replaced).message).toContain("session");
    expect(first.user).toBeUndefined();

    const { sent } = first.send("from the first");
    wire.cut();
    await once(first, "state", ({ state }) => state === "open");
    await first.history({});
    expect([first.user, second.user]).toEqual([undefined, "ann"]);
    expect(wire.sent.filter((frame) => frame.includes('"identity"'))).toHaveLength(1);
    expect(await first.identify("ann too")).toMatchObject({ ok: true });
    expect(await sent).toMatchObject({ ok: true });
  });

  test("is taken back after a missed heartbeat, without rejecting messages meanwhile", async () => {
    const heard: string[] = [];
    using server = fake((socket, frame) => {
      heard.push(frame.type === "identity" ? `identity ${String(frame.user)}` : String(frame.type));
      if (frame.type === "identity") {
        socket.say({ type: "identity", success: "true", user: "ann", session: "s" });
        const lapses = heard.filter((what) => what.startsWith("identity")).length;
        if (lapses === 2) socket.say({ type: "heartbeat", authenticated: "true" });
      } else if (frame.type === "message") {
        const named = heard.filter((what) => what.startsWith("identity")).length > 1;
        if (named) socket.say({ type: "ack", ref: frame.ref, id: 1 });
        else socket.say({ type: "error", code: "not_identified", message: "", ref: frame.ref });
      }
    });
    using ann = chat(server.url, { name: "ann", history: 0 });
    await once(ann, "identity");
    expect(await ann.send("here").sent).toEqual({ ok: true, id: 1 });
    await until(() => heard.includes("heartbeat"));
    expect(heard).toEqual(["identity ann", "message", "identity ann", "message", "heartbeat"]);
  });
});

test("a name that someone took during an outage is reported as lost, and messages wait", async () => {
  const identities: unknown[] = [];
  using server = fake((socket, frame) => {
    if (frame.type === "message") socket.say({ type: "ack", ref: frame.ref, id: 1 });
    if (frame.type !== "identity") return;
    identities.push([frame.user, frame.session]);
    const code = identities.length === 2 ? "name_taken" : undefined;
    if (code !== undefined) socket.say({ type: "identity", success: "false", code, message: code });
    else socket.say({ type: "identity", success: "true", user: frame.user, session: "s" });
  });
  const wire = tap();
  using ann = chat(server.url, { name: "ann", history: 0, webSocket: wire.webSocket });
  await once(ann, "session");
  wire.cut();
  await until(() => ann.state !== "open");
  expect(ann.user).toBe("ann");
  const { sent } = ann.send("still here?");
  expect(await once(ann, "error")).toEqual({ code: "name_taken", message: "name_taken" });
  expect(ann.user).toBeUndefined();
  expect(wire.sent.filter((frame) => frame.includes("still here"))).toEqual([]);
  expect(await ann.identify("anna")).toEqual({ ok: true, user: "anna" });
  expect(await sent).toEqual({ ok: true, id: 1 });
  expect(identities).toEqual([
    ["ann", undefined],
    ["ann", "s"],
    ["anna", "s"],
  ]);
});

describe("a lost connection", () => {
  test("loses and duplicates no message, however often it happens", async () => {
    await using server = await serve(FREE);
    const url = `${server.ws}/drops`;
    const wires = [tap(), tap(), tap()];
    const [ann, bob, cat] = wires.map(({ webSocket }, at) =>
      chat(url, { name: `user ${at}`, webSocket }),
    ) as [ReturnType<typeof chat>, ReturnType<typeof chat>, ReturnType<typeof chat>];
    using _a = ann;
    using _b = bob;
    using _c = cat;
    const chats = [ann, bob, cat];
    const heard = chats.map((each) => collect(each, "message"));
    const gaps = chats.map((each) => collect(each, "gap"));
    await Promise.all(chats.map((each) => once(each, "history")));
    const sends: Promise<unknown>[] = [];
    const expected: string[][] = [[], [], []];
    for (let round = 0; round < 8; round++) {
      for (let message = 0; message < 12; message++) {
        chats.forEach((each, at) => {
          const text = `${at}: ${round}.${message}`;
          expected[at]!.push(text);
          sends.push(each.send(text).sent);
        });
        if (message % 4 === round % 4) await Bun.sleep(1);
      }
      wires[round % 3]!.cut();
      if (round % 2 === 0) wires[(round + 1) % 3]!.cut();
      // Wait for all of them: a wire can be cut while others still reconnect.
      await until(() => chats.every(({ state }) => state === "open"));
    }
    const outcomes = await Promise.all(sends);
    expect(outcomes).toEqual(outcomes.map(() => expect.objectContaining({ ok: true })));
    await until(() => heard.every(({ length }) => length >= sends.length));

    const order = texts(heard[0]!);
    for (const each of heard) expect(texts(each)).toEqual(order);
    expected.forEach((own, at) => {
      expect(order.filter((text) => text.startsWith(`${at}:`))).toEqual(own);
    });
    expect(gaps).toEqual([[], [], []]);
  });

  test("is resumed page by page, together with what arrives meanwhile", async () => {
    await using server = await serve(FREE);
    const wire = tap();
    using ann = chat(`${server.ws}/pages`, { name: "ann", history: 0 });
    await ann.send("0").sent;
    using bob = chat(`${server.ws}/pages`, { webSocket: wire.webSocket });
    const messages = collect(bob, "message");
    const gaps = collect(bob, "gap");
    await once(bob, "history");
    wire.cut();
    // A page holds 256 KiB, so these take four.
    const long = "x".repeat(1950);
    for (let at = 0; at < 90; at++)
      await ann.send(`${at} ${long.replaceAll("x", "\u{10000}")}`).sent;
    await until(() => messages.length > 0);
    await ann.send("live").sent;
    await until(() => messages.at(-1)?.text === "live");
    expect(messages.map(({ text }) => Number.parseInt(text, 10) || 0)).toEqual([
      ...Array.from({ length: 90 }, (_, at) => at),
      0,
    ]);
    expect(gaps).toEqual([]);
  });

  test("is reported as a gap if the server kept nothing of what was missed", async () => {
    await using server = await serve(FREE);
    const wire = tap();
    using ann = chat(`${server.ws}/gaps`, { name: "ann", history: 0 });
    await ann.send("0").sent;
    using bob = chat(`${server.ws}/gaps`, { webSocket: wire.webSocket });
    const messages = collect(bob, "message");
    const gaps = collect(bob, "gap");
    await once(bob, "history");
    const after = bob.last;
    wire.down = true;
    wire.cut();
    await until(() => bob.state === "waiting");
    await Promise.all(Array.from({ length: 120 }, (_, at) => ann.send(`${at + 1}`).sent));
    wire.down = false;
    await until(() => messages.at(-1)?.text === "120");
    expect(gaps).toEqual([{ after, next: messages[0]!.id! }]);
    expect(messages).toHaveLength(100);
  });

  test("is restored after a restart of the server; what the server forgot is a gap", async () => {
    const old = await serve(FREE);
    const wire = tap();
    using ann = chat(`${old.ws}/restart`, { name: "ann", webSocket: wire.webSocket });
    const states = collect(ann, "state");
    const gaps = collect(ann, "gap");
    const messages = collect(ann, "message");
    await ann.send("before").sent;
    const after = ann.last;
    await old.drain();
    await until(() => ann.state !== "open");
    const meanwhile = [ann.send("meanwhile"), ann.send("and more")];
    // Wait until several attempts have failed.
    await until(() => states.filter(({ state }) => state === "waiting").length >= 3);
    await using _again = await serve({ ...FREE, port: Number(old.url.port) });
    for (const { sent } of meanwhile) expect(await sent).toMatchObject({ ok: true });
    await until(() => messages.length === 3);
    expect(texts(messages)).toEqual(["before", "meanwhile", "and more"]);
    expect(messages.slice(1).map(({ ref }) => ref)).toEqual(meanwhile.map(({ ref }) => ref));
    expect(gaps.map((gap) => gap.after)).toEqual([after]);
    const waits = states.filter(({ state }) => state === "waiting");
    expect(new Set(waits.map(({ reason }) => reason))).toEqual(new Set(["stopping"]));
    expect(ann.user).toBe("ann");
    // An outage never takes the subprotocol away from a server that knew it.
    expect(new Set(wire.offers)).toEqual(new Set(["shoal.v1"]));
    expect(ann.plain).toBeFalse();
  });

  test("loses nothing if a server with a database is killed and comes back", async () => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-client-"));
    const env = { DATABASE: join(folder, "shoal.db"), MESSAGE_RATE: "0" };
    let server = await startShoal({ env });
    const url = `${server.ws}/killed`;
    using ann = chat(url, { name: "ann" });
    using bob = chat(url, { name: "bob" });
    const chats = [ann, bob];
    const heard = chats.map((each) => collect(each, "message"));
    const gaps = chats.map((each) => collect(each, "gap"));
    await Promise.all(chats.map((each) => once(each, "history")));
    const sends: Promise<Sent>[] = [];
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 20; at++) {
        for (const each of chats) sends.push(each.send(`${round * 20 + at}`).sent);
      }
      // While messages are on their way.
      await Promise.race(sends.slice(-20));
      const { port } = new URL(server.http);
      await server.end("SIGKILL");
      server = await startShoal({ env: { ...env, PORT: port } });
    }
    const outcomes = await Promise.all(sends);
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    await until(() => heard.every(({ length }) => length >= sends.length));
    expect(texts(heard[1]!)).toEqual(texts(heard[0]!));
    for (const { user } of chats) {
      const own = heard[0]!.filter((message) => message.user === user);
      expect(texts(own)).toEqual(Array.from({ length: 60 }, (_, at) => `${at}`));
    }
    expect(gaps).toEqual([[], []]);
    expect([ann.user, bob.user]).toEqual(["ann", "bob"]);
    await server.end();
    rmSync(folder, { recursive: true });
  });

  test("is noticed by silence", async () => {
    let connections = 0;
    using server = fake(
      () => undefined,
      () => connections++,
      0.4,
    );
    using ann = chat(server.url, { history: 0 });
    const states = collect(ann, "state");
    await until(() => connections === 2);
    expect(states.map(({ state }) => state)).toContain("waiting");
  });

  test("is noticed when the browser goes offline, and restored when it is online", async () => {
    await using server = await serve();
    const browser = globalThis as unknown as EventTarget;
    // The back-off is so long that only the event can end it.
    using ann = chat(`${server.ws}/offline`, { name: "ann", random: () => 60 });
    await once(ann, "identity");
    browser.dispatchEvent(new Event("offline"));
    expect(ann.state).toBe("waiting");
    browser.dispatchEvent(new Event("online"));
    expect(await ann.send("back").sent).toMatchObject({ ok: true });
    expect(ann.user).toBe("ann");
    ann.close();
    browser.dispatchEvent(new Event("online"));
    expect(ann.state).toBe("closed");
  });

  test("backs off until a connection lasts", async () => {
    const waits: number[] = [];
    using server = fake((socket) => socket.close(1008, "flooding"));
    using ann = chat(server.url, { name: "ann", random: () => 0.01 });
    ann.on("state", ({ retryAt }) => {
      if (retryAt !== undefined) waits.push(retryAt - Date.now());
    });
    await until(() => waits.length === 4);
    expect(waits.toSorted((a, b) => a - b)).toEqual(waits);
  });
});

describe("a refused connection", () => {
  /** A server that answers every handshake so. */
  function refusing(status: number, sentence: string, headers: Record<string, string>) {
    const fetch = () => new Response(`${sentence}\n`, { status, headers });
    return Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
  }
  const type = { "Content-Type": "text/plain; charset=utf-8" };

  test("says why, and is tried again as the server asks", async () => {
    await using server = refusing(429, "Too many.", { ...type, "Retry-After": "7" });
    using refused = chat(`${server.url.href}a`);
    const states = collect(refused, "state");
    await until(() => states.at(-1)?.detail !== undefined);
    const { state, reason, detail, retryAt = 0 } = states.at(-1)!;
    expect([state, reason, detail]).toEqual(["waiting", "lost", "Too many."]);
    expect(retryAt - Date.now()).toBeWithin(6000, 7101);
  });

  test("is tried again as usual if the server does not say when", async () => {
    await using server = refusing(403, "Not from there.", type);
    using refused = chat(`${server.url.href}a`);
    const states = collect(refused, "state");
    await until(() => states.filter(({ detail }) => detail === "Not from there.").length === 2);
  });

  test.each(["Wed, 21 Oct 2026 07:28:00 GMT", "-7", "99999999", "Infinity"])(
    "is tried again neither at once nor never if told to wait %p",
    async (after) => {
      let asked = 0;
      await using server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch(request) {
          if (!request.headers.has("upgrade")) asked++;
          return new Response("No.\n", { status: 503, headers: { ...type, "Retry-After": after } });
        },
      });
      using refused = chat(`${server.url.href}a`, { random: () => 0.99 });
      const states = collect(refused, "state");
      await until(() => states.at(-1)?.detail !== undefined);
      expect(states.at(-1)!.retryAt! - Date.now()).toBeWithin(500, 3_700_000);
      await Bun.sleep(300);
      expect(asked).toBe(1);
    },
  );

  test("has no reason if what answers is not the chat server", async () => {
    await using server = refusing(502, "<h1>Bad gateway</h1>", { "Content-Type": "text/html" });
    using refused = chat(`${server.url.href}a`);
    const states = collect(refused, "state");
    await until(() => states.filter(({ state }) => state === "waiting").length === 3);
    expect(states.some(({ detail }) => detail !== undefined)).toBe(false);
  });

  test("that is closed meanwhile stays closed", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    await using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        if (request.headers.has("upgrade")) return new Response("", { status: 429 });
        asked.resolve();
        return answer.promise;
      },
    });
    const refused = chat(`${server.url.href}a`);
    const states = collect(refused, "state");
    await asked.promise;
    refused.close();
    answer.resolve(new Response("Too many.", { status: 429, headers: type }));
    await server.stop();
    expect(states.at(-1)?.state).toBe("closed");
  });
});

describe("the chain of messages", () => {
  test("drops duplicates, fills holes from the history and reports what it cannot fill", async () => {
    const message = (id: number, prev: number) => ({
      text: `${id}`,
      user: "ann",
      timestamp: 0,
      id,
      prev,
    });
    const live = (id: number, prev: number) => ({ type: "message", ...message(id, prev) });
    using server = fake(
      (socket, frame) => {
        if (frame.type !== "history") return;
        const found = frame.after === 2 ? [message(3, 2), message(4, 3)] : [];
        socket.say({
          type: "history",
          messages: found,
          gap: `${found.length === 0}`,
          more: "false",
        });
      },
      (socket) => {
        for (const [id, prev] of [
          [1, 0],
          [2, 1],
          [2, 1],
          [1, 0],
          [4, 3],
          [5, 4],
          [9, 8],
          [10, 9],
        ] as const) {
          socket.say(live(id, prev));
        }
      },
    );
    using bob = chat(server.url, { history: 0 });
    const messages = collect(bob, "message");
    const gaps = collect(bob, "gap");
    await until(() => messages.length === 7);
    expect(texts(messages)).toEqual(["1", "2", "3", "4", "5", "9", "10"]);
    expect(gaps).toEqual([{ after: 5, next: 9 }]);
  });
});

describe("rejections", () => {
  test("that are temporary are retried in order, final ones are reported", async () => {
    const codes = ["unavailable", "rate_limited", "unknown", "text_blank"];
    const order: unknown[] = [];
    using server = fake((socket, frame) => {
      if (frame.type !== "message") return;
      order.push(frame.text);
      const code = codes.shift();
      if (code === undefined) socket.say({ type: "ack", ref: frame.ref, id: order.length });
      else socket.say({ type: "error", code, message: code, ref: frame.ref });
    });
    using ann = chat(server.url, { history: 0 });
    const errors = collect(ann, "error");
    const sends = [ann.send("a"), ann.send("b")];
    const [a, b] = [await sends[0]!.sent, await sends[1]!.sent];
    expect(a).toEqual({ ok: false, code: "text_blank", message: "text_blank" });
    expect(b).toEqual({ ok: true, id: 5 });
    expect(order).toEqual(["a", "a", "a", "a", "b"]);
    expect(errors).toEqual([{ code: "text_blank", message: "text_blank", ref: sends[0]!.ref }]);
  });

  test("of a page of history are retried", async () => {
    const codes = ["busy", "rate_limited"];
    using server = fake((socket, frame) => {
      if (frame.type !== "history") return;
      const code = codes.shift();
      if (code === undefined)
        socket.say({ type: "history", messages: [], gap: "false", more: "false" });
      else socket.say({ type: "error", code, message: code });
    });
    using ann = chat(server.url);
    expect(await once(ann, "history")).toEqual({ messages: [], gap: false, more: false });
  });

  test("for the rate limit do not happen: the client keeps to the server's pace", async () => {
    await using server = await serve({ messageRate: 50, messageBurst: 5 });
    const wire = tap();
    using ann = chat(`${server.ws}/pace`, { name: "ann", history: 0, webSocket: wire.webSocket });
    const messages = collect(ann, "message");
    const started = performance.now();
    const sends = Array.from({ length: 30 }, (_, at) => ann.send(`${at}`));
    for (const { sent } of sends) expect(await sent).toMatchObject({ ok: true });
    // 31 frames, of which 4 go at once and then 42.5 in each second.
    expect(performance.now() - started).toBeGreaterThan(550);
    await until(() => messages.length === 30);
    expect(texts(messages)).toEqual(sends.map((_, at) => `${at}`));
    expect(wire.sockets).toHaveLength(1);
  });
});

describe("a server that only speaks the plain protocol", () => {
  for (const answers of [
    "the offer as Bun does",
    "no protocol",
    "an error to any offer",
  ] as const) {
    test(`and answers ${answers}`, async () => {
      using server = plainServer(answers);
      const wire = tap();
      wire.checks = false;
      using ann = chat(server.url, { name: "ann", webSocket: wire.webSocket, presence: true });
      const messages = collect(ann, "message");
      const gaps = collect(ann, "gap");
      // Asked before it is known what the server speaks.
      const early = [ann.search({ query: "one" }), ann.remove(1)] as const;
      const one = ann.send("one");
      const two = ann.send("two");
      expect(await Promise.all(early)).toMatchObject([{ messages: [] }, { code: "unsupported" }]);
      expect([await one.sent, await two.sent]).toEqual([{ ok: true }, { ok: true }]);
      expect(messages).toMatchObject([
        { text: "one", user: "ann", ref: one.ref },
        { text: "two", user: "ann", ref: two.ref },
      ]);
      expect(ann).toMatchObject({ plain: true, user: "ann", last: 0, state: "open" });
      expect(await ann.history({})).toEqual({ messages: [], gap: false, more: false });
      expect(await ann.search({ query: "one" })).toEqual({ messages: [], more: false });
      expect(await ann.remove(1)).toMatchObject({ ok: false, code: "unsupported" });
      expect(await ann.identify("taken")).toMatchObject({ ok: false, code: "name_refused" });
      wire.cut();
      await until(() => gaps.length === 1);
      expect(gaps).toEqual([{ after: 0 }]);
      expect(await ann.send("three").sent).toEqual({ ok: true });
      await ann.leave();
      expect(ann.user).toBeUndefined();
      await once(ann, "state", ({ state }) => state === "open");
      const echo = answers === "the offer as Bun does";
      const each = echo ? ["shoal.v1"] : ["shoal.v1", ""];
      expect(wire.offers).toEqual([...each, ...each, ...each]);
      for (const frame of wire.sent)
        expect(frame).not.toMatch(/ref|session|history|presence|search|delete/);
    });
  }

  test("is offered the subprotocol again whenever it was down", async () => {
    const wire = tap();
    const port = (await closedPort()).port;
    using ann = chat(`ws://127.0.0.1:${port}/down`, { webSocket: wire.webSocket });
    await until(() => wire.offers.length >= 6);
    expect(wire.offers.slice(0, 6)).toEqual(["shoal.v1", "", "shoal.v1", "", "shoal.v1", ""]);
    await using server = await serve({ port });
    // A plain connection may be the one that gets through; the next one offers again.
    await until(() => ann.state === "open");
    if (ann.plain) {
      wire.cut();
      await until(() => !ann.plain);
    }
    expect(server.ws).toEndWith(String(port));
  });
});

describe("the end", () => {
  test("answers everything that is pending, then stays silent", async () => {
    await using server = await serve();
    using ann = chat(`${server.ws}/end`);
    const states = collect(ann, "state");
    const { sent } = ann.send("never");
    const identity = ann.identify("ann");
    const page = ann.history({});
    ann.close();
    expect(await sent).toMatchObject({ ok: false, code: "closed" });
    expect(await identity).toMatchObject({ ok: false, code: "closed" });
    await expect(page).rejects.toThrow("closed");
    expect(await ann.send("after").sent).toMatchObject({ ok: false, code: "closed" });
    await Bun.sleep(150);
    expect(states.map(({ state }) => state)).toEqual(["closed"]);
  });

  test("comes at once for an invalid URL", () => {
    expect(() => connect("no url")).toThrow();
    expect(() => connect("mailto:ann@example.org")).toThrow();
  });

  test("comes at once for a path that cannot be a channel on any server", () => {
    for (const path of ["", "/", "//", "/%2f", "/?fishing", "/#fishing", "/a%ff", "/100%"]) {
      expect(() => connect(`http://127.0.0.1:1${path}`)).toThrow("is not a channel");
    }
    for (const path of ["/fishing", "/a/", "/100%25", "/-/", "/%F0%9F%90%9F"]) {
      connect(`http://127.0.0.1:1${path}`).close();
    }
  });
});

interface FakeSocket {
  say(frame: object): void;
  close(code: number, reason: string): void;
}
type FakeFrame = Record<string, unknown>;

/** A `shoal.v1` server that does what the test says. */
function fake(
  onFrame: (socket: FakeSocket, frame: FakeFrame) => unknown,
  onOpen: (socket: FakeSocket) => unknown = () => undefined,
  heartbeat = 30,
) {
  const server = Bun.serve({
    port: 0,
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      open(ws) {
        const limits = { text: 2000, rate: 0, burst: 50, history: 100 };
        ws.send(JSON.stringify({ type: "connection", id: "fake", last: 0, heartbeat, limits }));
        onOpen(socketOf(ws));
      },
      message: (ws, raw) => void onFrame(socketOf(ws), JSON.parse(String(raw)) as FakeFrame),
    },
  });
  const socketOf = (ws: Bun.ServerWebSocket<undefined>): FakeSocket => ({
    say: (frame) => void ws.send(JSON.stringify(frame)),
    close: (code, reason) => ws.close(code, reason),
  });
  return {
    url: `ws://127.0.0.1:${server.port}/fake`,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

/** Another kind of server, which knows only the plain protocol. */
function plainServer(answers: string) {
  const server = Bun.serve({
    port: 0,
    fetch(request, self) {
      const offers = request.headers.has("sec-websocket-protocol");
      if (offers && answers === "an error to any offer") return new Response("", { status: 400 });
      const headers: Record<string, string> =
        answers === "no protocol" ? { "Sec-WebSocket-Protocol": "" } : {};
      const data = { user: undefined as string | undefined };
      return self.upgrade(request, { data, headers })
        ? undefined
        : new Response("", { status: 426 });
    },
    websocket: {
      data: {} as { user: string | undefined },
      open(ws) {
        ws.subscribe("all");
        ws.send('{"type":"connection","id":"plain"}');
      },
      message(ws, raw) {
        const frame = JSON.parse(String(raw)) as FakeFrame;
        if (frame.type === "identity") {
          const granted = frame.user !== "taken" && frame.user !== "";
          if (granted) ws.data.user = String(frame.user);
          ws.send(JSON.stringify({ type: "identity", success: `${granted}` }));
        } else if (frame.type === "message") {
          const { text } = frame;
          const { user } = ws.data;
          server.publish("all", JSON.stringify({ type: "message", text, timestamp: 1, user }));
        }
      },
    },
  });
  return {
    url: `ws://127.0.0.1:${server.port}/plain`,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

/** A port that nobody listens on. */
async function closedPort(): Promise<{ port: number }> {
  const server: TestServer = await serve();
  const port = Number(server.url.port);
  await server.drain();
  return { port };
}
