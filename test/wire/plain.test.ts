import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, enter, enterAs } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** The plain protocol, byte by byte. */
describe("plain protocol", () => {
  let server: TestServer;
  let url: string;
  let channels = 0;
  /** Each test in a channel of its own. */
  const channel = () => `${url}/channel${channels++}`;

  beforeAll(async () => {
    server = await serve();
    url = server.ws;
  });
  afterAll(() => server.drain());

  test("an hour at the lake: every frame as specified", async () => {
    const before = Math.floor(Date.now() / 1000);
    const ann = await connect(`${url}/fishing`);
    expect(await ann.next()).toBe('{"type":"connection","id":"fishing"}');
    ann.say('{"type":"identity","user":"fishing_beast_5000"}');
    expect(await ann.next()).toBe('{"type":"identity","success":"true"}');

    const bob = await connect(`${url}/fishing`);
    expect(await bob.next()).toBe('{"type":"connection","id":"fishing"}');
    bob.say('{"type":"identity","user":"fishing_beast_5000"}');
    expect(await bob.next()).toBe('{"type":"identity","success":"false"}');

    ann.say('{"type":"message","text":"Anything biting?"}');
    const frame = await bob.next();
    expect(await ann.next()).toBe(frame);
    const { timestamp } = JSON.parse(frame) as { timestamp: number };
    expect(frame).toBe(
      `{"type":"message","text":"Anything biting?","timestamp":${timestamp},"user":"fishing_beast_5000"}`,
    );
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000);
    expect([...ann.rest, ...bob.rest]).toEqual([]);
    await ann.close();
    await bob.close();
  });

  test("an identity and a message can be sent without waiting for the answer", async () => {
    const url = channel();
    const ann = await connect(url);
    ann.say('{"type":"identity","user":"ann"}');
    ann.say('{"type":"message","text":"one"}');
    ann.say('{"type":"identity","user":"eve"}');
    ann.say('{"type":"message","text":"two"}');
    await ann.next();
    expect(await ann.next()).toBe('{"type":"identity","success":"true"}');
    expect(await ann.next()).toMatch(/"text":"one".*"user":"ann"/);
    expect(await ann.next()).toBe('{"type":"identity","success":"true"}');
    expect(await ann.next()).toMatch(/"text":"two".*"user":"eve"/);
  });

  test("a message reaches everyone in its channel and nobody in another", async () => {
    const [here, there] = [channel(), channel()];
    const ann = await enterAs(here, "ann");
    const nameless = await enter(here);
    const stranger = await enterAs(there, "ann");
    ann.say({ type: "message", text: "here" });
    expect(await ann.next()).toContain('"text":"here"');
    expect(await nameless.next()).toContain('"text":"here"');
    stranger.say({ type: "message", text: "there" });
    expect(await stranger.next()).toContain('"text":"there"');
    expect([ann.rest, nameless.rest, stranger.rest]).toEqual([[], [], []]);
  });

  test.each(
    [
      'quotes " and \\ back\\slashes',
      "emoji 🎣 👩‍👩‍👧",
      "line\nbreaks\r\nand\ttabs",
      "U+2028 \u2028 and U+2029 \u2029",
      "a lone \ud800 surrogate \udfff",
      "</script><script>alert(1)</script>",
      "\u0000\u001f\u007f\u009f",
      "مرحبا \u202eright to left\u202c",
      "x",
      "🎣".repeat(2000),
    ].map((text) => [text.slice(0, 60), text]),
  )("%j arrives unchanged", async (_, text = "") => {
    const ann = await enterAs(channel(), "ann");
    ann.say({ type: "message", text });
    expect((await ann.nextOf("message")).text).toBe(text);
    // The same text as JSON escapes, as clients in other languages may write it.
    const escaped = [...text].length * 12 > 20_000 ? null : text.replace(/[^]/g, unicodeEscape);
    if (escaped === null) return;
    ann.say(`{"type":"message","text":"${escaped}"}`);
    expect((await ann.nextOf("message")).text).toBe(text);
  });

  test("the server ignores a user, timestamp or id that a client sends", async () => {
    const ann = await enterAs(channel(), "ann");
    ann.say({ type: "message", text: "hi", user: "admin", timestamp: 1, id: 7, prev: 6, ref: {} });
    const frame = await ann.next();
    expect(JSON.parse(frame)).toEqual({
      type: "message",
      text: "hi",
      timestamp: expect.any(Number),
      user: "ann",
    });
    expect(frame).not.toContain("admin");
  });

  test("an error has no other keys, whatever was sent", async () => {
    const ann = await enter(channel());
    const deep = `${"[".repeat(900)}${"]".repeat(900)}`;
    ann.say(`{"type":"message","text":"hi","ref":${deep}}`);
    const refused = JSON.parse(await ann.next()) as object;
    expect(Object.keys(refused)).toEqual(["type", "code", "message"]);
    ann.say({ type: "identity", user: "ann", session: {} });
    await ann.nextOf("identity");
    for (const text of [" ", "x".repeat(2001)]) {
      ann.say({ type: "message", text, ref: "r" });
      expect(Object.keys(await ann.nextOf("error"))).toEqual(["type", "code", "message"]);
    }
  });

  test("a client can take its own name again, rename itself, and take a name that became free", async () => {
    const url = channel();
    const ann = await enter(url);
    const bob = await enter(url);
    const ask = async (client: typeof ann, user: unknown) => {
      client.say({ type: "identity", user });
      return (await client.nextOf("identity")).success;
    };
    expect(await ask(ann, "ann")).toBe("true");
    expect(await ask(ann, "ann")).toBe("true");
    expect(await ask(bob, "ANN")).toBe("false");
    expect(await ask(ann, "Ann")).toBe("true");
    expect(await ask(bob, "bob")).toBe("true");
    expect(await ask(ann, "bob")).toBe("false");
    expect(await ask(bob, "ann")).toBe("false");
    expect(await ask(ann, "eve")).toBe("true");
    expect(await ask(bob, "ann")).toBe("true");
    await bob.close();
    expect(await ask(ann, "ann")).toBe("true");
  });

  test("a name is shown as it was last requested", async () => {
    const ann = await enterAs(channel(), "ann");
    for (const [wanted, shown] of [
      ["ann", "ann"],
      ["ANN", "ANN"],
      ["  Ａnn ", "Ann"],
    ]) {
      ann.say({ type: "identity", user: wanted });
      await ann.nextOf("identity");
      ann.say({ type: "message", text: "hi" });
      expect((await ann.nextOf("message")).user).toBe(shown!);
    }
  });

  test.each([
    [""],
    [" "],
    ["x".repeat(33)],
    ["a\tb"],
    ["Bоb"],
    ["\u200b"],
    [5],
    [null],
    [undefined],
    [{}],
    [["ann"]],
  ])("an identity with the user %j gets one answer: false", async (user) => {
    const ann = await enter(channel());
    ann.say({ type: "identity", user });
    expect(await ann.next()).toBe('{"type":"identity","success":"false"}');
    ann.say({ type: "identity", user: "ann" });
    expect(await ann.next()).toBe('{"type":"identity","success":"true"}');
  });

  test("everyone in a channel sees the same order", async () => {
    const url = channel();
    const clients = await Promise.all(Array.from({ length: 8 }, (_, n) => enterAs(url, `n${n}`)));
    for (let n = 0; n < 5; n++) {
      for (const client of clients) client.say({ type: "message", text: `${n}` });
    }
    const seen = await Promise.all(
      clients.map(async (client) => {
        const frames: string[] = [];
        for (let n = 0; n < 40; n++) frames.push(await client.next());
        return frames.join("\n");
      }),
    );
    expect(new Set(seen).size).toBe(1);
  });

  test("a path is the same channel composed, decomposed, encoded or with a trailing slash", async () => {
    const paths = ["/caf%C3%A9", "/café", "/cafe\u0301", "/cafe%CC%81/"];
    for (const path of paths) {
      const client = await connect(url + path);
      expect(await client.next()).toBe('{"type":"connection","id":"café"}');
    }
    const chess = await connect(`${url}/games/chess`);
    expect(await chess.next()).toBe('{"type":"connection","id":"games/chess"}');
    const query = await connect(`${url}/fishing?token=1`);
    expect(await query.next()).toBe('{"type":"connection","id":"fishing"}');
  });

  test("frames of shoal.v1 are unknown types in the plain protocol", async () => {
    const ann = await enterAs(channel(), "ann");
    for (const type of ["history", "presence"]) {
      ann.say({ type });
      expect((await ann.nextOf("error")).code).toBe("unknown_type");
    }
  });
});

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
