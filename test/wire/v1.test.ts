import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ERRORS } from "../../src/protocol/codes.ts";
import { connect, enterAs, V1 } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-v1-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
    // Without a database, anything sent before the start may be forgotten.
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
      `{"type":"identity","success":"false","code":"name_taken","message":"${ERRORS.name_taken}"}`,
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
      message: ERRORS.ref_reused,
      ref: "r",
    });
  });

  test("a plain client in the channel gets the same messages as plain frames", async () => {
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

  test("a ref has 1 to 64 characters; any other is rejected as an invalid field", async () => {
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

  test("the error for a message with an invalid field carries its ref, if that is valid", async () => {
    const ann = await enterAs(channel(), "ann", V1);
    ann.say({ type: "message", ref: "r" });
    expect(await ann.nextOf("error")).toMatchObject({ code: "invalid_field", ref: "r" });
    ann.say({ type: "message", text: "hi", ref: "\ud800" });
    const error = await ann.nextOf("error");
    expect([error.code, "ref" in error]).toEqual(["invalid_field", false]);
  });
});
