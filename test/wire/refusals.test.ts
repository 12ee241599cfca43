import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, enter, enterAs } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { CLOSE, type ErrorCode, ERRORS } from "../../src/protocol/codes.ts";

/** What the server rejects, how, and when it disconnects. */

let server: TestServer;
beforeAll(async () => {
  server = await serve({ messageRate: 0 });
});
afterAll(() => server.drain());

function errorFrame(code: ErrorCode): string {
  return JSON.stringify({ type: "error", code, message: ERRORS[code] });
}

const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;

describe("a rejected frame gets one error, and the connection lives on", () => {
  const rejected = [
    ["", "invalid_json"],
    ["{", "invalid_json"],
    ["hello", "invalid_json"],
    ['{"type":"heartbeat"}{"type":"heartbeat"}', "invalid_json"],
    ["\ufeff{}", "invalid_json"],
    ["null", "not_an_object"],
    ["1", "not_an_object"],
    ['"message"', "not_an_object"],
    ["[]", "not_an_object"],
    ['[{"type":"message","text":"hi"}]', "not_an_object"],
    [deep, "not_an_object"],
    ["{}", "unknown_type"],
    ['{"type":null}', "unknown_type"],
    ['{"type":["message"]}', "unknown_type"],
    ['{"type":"Message","text":"hi"}', "unknown_type"],
    ['{"type":"connection"}', "unknown_type"],
    ['{"type":"error"}', "unknown_type"],
    ['{"type":"__proto__"}', "unknown_type"],
    ['{"type":"constructor"}', "unknown_type"],
    ['{"type":"toString"}', "unknown_type"],
    ['{"type":"hasOwnProperty","text":"hi"}', "unknown_type"],
    [`{"type":${deep}}`, "unknown_type"],
    ['{"__proto__":{"type":"message","text":"hi"}}', "unknown_type"],
    ['{"type":"message"}', "invalid_field"],
    ['{"type":"message","text":null}', "invalid_field"],
    ['{"type":"message","text":5}', "invalid_field"],
    ['{"type":"message","text":["hi"]}', "invalid_field"],
    [`{"type":"message","text":${deep}}`, "invalid_field"],
    ['{"type":"message","__proto__":{"text":"hi"}}', "invalid_field"],
    ['{"type":"message","text":""}', "text_blank"],
    ['{"type":"message","text":" \\n\\t\\u00a0\\u2028"}', "text_blank"],
    ['{"type":"message","text":"\\u200b\\u200d\\u3164"}', "text_blank"],
    [JSON.stringify({ type: "message", text: "x".repeat(2001) }), "text_too_long"],
    [JSON.stringify({ type: "message", text: "🎣".repeat(2001) }), "text_too_long"],
  ] as const;
  const titled = rejected.map(([frame, code]) => [frame.slice(0, 60), code, frame] as const);

  test.each(titled)("%j: %s", async (_, code, frame) => {
    const ann = await enterAs(`${server.ws}/refused`, `u${Math.random()}`);
    ann.say(frame);
    expect(await ann.next()).toBe(errorFrame(code));
    ann.say({ type: "message", text: "still here" });
    expect((await ann.nextOf("message")).text).toBe("still here");
    await ann.close();
  });

  test("binary frames", async () => {
    const ann = await enterAs(`${server.ws}/bytes`, "ann");
    ann.say(new TextEncoder().encode('{"type":"message","text":"hi"}'));
    ann.say(new Uint8Array(0));
    expect(await ann.next()).toBe(errorFrame("binary_frame"));
    expect(await ann.next()).toBe(errorFrame("binary_frame"));
    ann.say({ type: "message", text: "still here" });
    expect((await ann.nextOf("message")).text).toBe("still here");
  });

  test("a message without a name", async () => {
    const ann = await enter(`${server.ws}/nameless`);
    ann.say({ type: "message", text: "hi" });
    expect(await ann.next()).toBe(errorFrame("not_identified"));
  });

  test("of two equal keys the last one counts, for the check and for the message", async () => {
    const ann = await enterAs(`${server.ws}/twice`, "ann");
    ann.say('{"type":"error","text":"one","type":"message","text":"two"}');
    expect((await ann.nextOf("message")).text).toBe("two");
    expect(ann.rest).toEqual([]);
  });
});

describe("too many frames", () => {
  test("beyond the burst, each gets the answer that fits its type", async () => {
    await using slow = await serve({ messageRate: 0.001, messageBurst: 3 });
    const ann = await enterAs(`${slow.ws}/a`, "ann");
    for (const text of ["1", "2", "3"]) ann.say({ type: "message", text });
    expect((await ann.nextOf("message")).text).toBe("1");
    expect((await ann.nextOf("message")).text).toBe("2");
    expect(await ann.next()).toBe(errorFrame("rate_limited"));
    ann.say("no JSON");
    expect(await ann.next()).toBe(errorFrame("rate_limited"));
    ann.say({ type: "identity", user: "eve" });
    expect(await ann.next()).toBe('{"type":"identity","success":"false"}');
    ann.say({ type: "identity" });
    expect(await ann.next()).toBe('{"type":"identity","success":"false"}');
  });

  test("heartbeats have a separate limit", async () => {
    await using slow = await serve({ messageRate: 0.001, messageBurst: 2 });
    const ann = await enter(`${slow.ws}/a`);
    for (let n = 0; n < 100; n++) ann.say({ type: "heartbeat" });
    ann.say({ type: "identity", user: "ann" });
    expect(await ann.next()).toBe('{"type":"identity","success":"true"}');
    for (let n = 0; n < 150; n++) ann.say({ type: "heartbeat" });
    expect(await ann.next()).toBe(errorFrame("rate_limited"));
    expect((await ann.closed).code).toBe(1008);
  });

  test("100 rejected frames in 10 seconds close the connection with 1008 and free its name", async () => {
    await using slow = await serve({ messageRate: 0.001, messageBurst: 1 });
    const ann = await enterAs(`${slow.ws}/a`, "ann");
    for (let n = 0; n < 99; n++) ann.say({ type: "message", text: "!" });
    for (let n = 0; n < 99; n++) expect(await ann.next()).toBe(errorFrame("rate_limited"));
    ann.say("one more");
    expect(await ann.closed).toEqual(CLOSE.flooding);
    await enterAs(`${slow.ws}/a`, "ann");
  });

  test("do not affect other clients", async () => {
    await using slow = await serve({ messageRate: 0.001, messageBurst: 5 });
    const flood = await enterAs(`${slow.ws}/a`, "flood");
    const ann = await enterAs(`${slow.ws}/a`, "ann");
    for (let n = 0; n < 50; n++) flood.say({ type: "message", text: "!" });
    for (let n = 0; n < 4; n++) expect((await ann.nextOf("message")).user).toBe("flood");
    ann.say({ type: "message", text: "hi" });
    expect((await ann.nextOf("message")).text).toBe("hi");
  });
});

describe("too long frames", () => {
  test("a frame at the limit is read; one more byte closes the connection with 1009", async () => {
    await using small = await serve({ textLimit: 10 });
    const limit = 12 * 10 + 1024;
    const ann = await enter(`${small.ws}/a`);
    ann.say("x".repeat(limit));
    expect(await ann.next()).toBe(errorFrame("invalid_json"));
    ann.say("x".repeat(limit + 1));
    expect((await ann.closed).code).toBe(1009);
  });

  test("the longest text fits, also in its longest JSON encoding", async () => {
    await using small = await serve({ textLimit: 10 });
    const ann = await enterAs(`${small.ws}/a`, "ann");
    ann.say(`{"type":"message","text":"${"\\ud83c\\udfa3".repeat(10)}"}`);
    expect((await ann.nextOf("message")).text).toBe("🎣".repeat(10));
  });
});

describe("paths and requests", () => {
  test.each([
    ["/", 404, "names no channel"],
    ["/%zz", 400, "percent-encoded UTF-8"],
    ["/%FF", 400, "percent-encoded UTF-8"],
    ["/%00", 400, "control"],
    ["/%E2%80%AE", 400, "text direction"],
    ["/fish%E2%80%8Bing", 400, "invisible"],
    [`/${"x".repeat(129)}`, 414, "at most 128"],
    ["/-/nope", 404, "belong to the server"],
    ["/-/health", 404, "belong to the server"],
    ["/-", 404, "belong to the server"],
  ])("an upgrade at %.30s is rejected with %i", async (path, status, sentence) => {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
    };
    const response = await fetch(server.http + path, { headers });
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(sentence);
    await expect(connect(server.ws + path)).rejects.toThrow();
  });

  test("a plain GET gets instructions to connect", async () => {
    const response = await fetch(`${server.http}/fishing`);
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(await response.text()).toBe(
      `This is a chat channel. Connect a WebSocket client to ${server.ws}/fishing\n`,
    );
  });

  test("behind a proxy with TLS, they name wss", async () => {
    const headers = { "X-Forwarded-Proto": "https", Host: "chat.example.com" };
    const response = await fetch(`${server.http}/fishing`, { headers });
    expect(await response.text()).toBe(
      "This is a chat channel. Connect a WebSocket client to wss://chat.example.com/fishing\n",
    );
  });

  test("HEAD is answered like GET, without the body", async () => {
    const response = await fetch(`${server.http}/fishing`, { method: "HEAD" });
    expect(response.status).toBe(426);
    expect(await response.text()).toBe("");
  });

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])(
    "%s is not allowed on a channel",
    async (method) => {
      const response = await fetch(`${server.http}/fishing`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, HEAD");
    },
  );

  test("health", async () => {
    const response = await fetch(`${server.http}/-/health`);
    expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
  });
});
