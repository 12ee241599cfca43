import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ERRORS } from "../../src/protocol/codes.ts";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { frameOf } from "../helpers/raw.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { historyOf, holdAnn, identify, sessionOf } from "../helpers/v1.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-sessions-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Milliseconds: a name that was held for a whole heartbeat interval is kept for its session. */
const HELD = 200;

describe.each(["", join(folder, "sessions.sqlite")])("sessions, database %j", (database) => {
  let server: TestServer;
  let channels = 0;
  const channel = () => `${server.ws}/sessions-${channels++}`;
  beforeAll(async () => {
    server = await serve({ database, messageRate: 0 });
  });
  afterAll(() => server.drain());

  test("a session survives renames and reconnects, and cannot be forged", async () => {
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

  test("a connection takes over a name of its session, and the other one cannot take it back", async () => {
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
      `{"type":"identity","success":"false","code":"replaced","message":"${ERRORS.replaced}"}`,
    );
    old.say({ type: "message", text: "hi" });
    expect((await old.nextOf("error")).code).toBe("not_identified");
    expect(await identify(old, "ann")).toMatchObject({ success: "false", code: "name_taken" });
    await old.close();
    next.say({ type: "message", text: "mine" });
    expect((await next.nextOf("message")).user).toBe("Ann");
  });

  test("a ref is known on the next connection of its session", async () => {
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

test("after a restart, names that were held wait for their sessions", async () => {
  const settings = { database: join(folder, "restart.sqlite"), heartbeatInterval: HELD / 1000 };
  const first = await serve(settings);
  const ann = await enter(`${first.ws}/a`, V1);
  const { session } = await identify(ann, "ann");
  await Bun.sleep(HELD + 50);
  await first.drain();
  await using second = await serve(settings);
  const bob = await enter(`${second.ws}/a`, V1);
  expect((await identify(bob, "ann")).code).toBe("name_taken");
  const back = await enter(`${second.ws}/a`, V1);
  expect(await identify(back, "Ann", session)).toMatchObject({ success: "true", session });
});

describe("the name of a connection that breaks off", () => {
  const settings = { heartbeatInterval: HELD / 1000, sessionGrace: 600 };

  /** Somebody else in the channel, who watches its presence. */
  async function watch(server: TestServer): Promise<Client> {
    const bob = await enterAs(`${server.ws}/a`, "bob", V1);
    bob.say({ type: "presence" });
    expect(await bob.nextOf("presence")).toMatchObject({ count: 2, names: ["ann", "bob"] });
    return bob;
  }

  test("is kept for its session, and shown meanwhile", async () => {
    await using server = await serve(settings);
    const socket = await holdAnn(server, HELD + 50);
    const bob = await watch(server);
    socket.end();
    const change = { type: "presence", count: 1, joined: [], left: [] };
    expect(await bob.nextOf("presence")).toEqual(change);
    expect(await identify(bob, "ann")).toMatchObject({ success: "false", code: "name_taken" });
    const ann = await enter(`${server.ws}/a`, V1);
    const session = sessionOf(socket);
    expect(await identify(ann, "ann", session)).toMatchObject({ success: "true", session });
    await ann.close();
    expect(await identify(bob, "ann")).toMatchObject({ success: "true" });
  });

  test.each([
    ["if it was not held for a whole heartbeat interval", { heartbeatInterval: 600 }, V1.protocols],
    ["with SESSION_GRACE=0", { sessionGrace: 0 }, V1.protocols],
    ["if it has no session: a plain client", {}, []],
  ])("is free at once %s", async (_, more, protocols) => {
    await using server = await serve({ ...settings, ...more });
    const socket = await holdAnn(server, HELD + 50, protocols);
    const bob = await watch(server);
    socket.end();
    const change = { type: "presence", count: 1, joined: [], left: ["ann"] };
    expect(await bob.nextOf("presence")).toEqual(change);
    expect(await identify(bob, "ann")).toMatchObject({ success: "true" });
  });

  test("is free at once after a close handshake", async () => {
    await using server = await serve(settings);
    const socket = await holdAnn(server, HELD + 50);
    const bob = await watch(server);
    // A close frame with 1000 (RFC 6455, section 5.5.1).
    socket.write(frameOf(0x88, Uint8Array.of(0x03, 0xe8)));
    const change = { type: "presence", count: 1, joined: [], left: ["ann"] };
    expect(await bob.nextOf("presence")).toEqual(change);
    expect(await identify(bob, "ann")).toMatchObject({ success: "true" });
  });

  test("can be given up by its session", async () => {
    await using server = await serve(settings);
    const socket = await holdAnn(server, HELD + 50);
    const bob = await watch(server);
    socket.end();
    expect(await bob.nextOf("presence")).toMatchObject({ left: [] });
    const ann = await enter(`${server.ws}/a`, V1);
    expect((await identify(ann, "", sessionOf(socket))).success).toBe("true");
    expect(await identify(bob, "ann")).toMatchObject({ success: "true" });
  });

  test("is free at once if it was lost by missed heartbeats before", async () => {
    await using server = await serve(settings);
    const socket = await holdAnn(server, 0);
    await socket.until('"authenticated":"false"');
    const bob = await enter(`${server.ws}/a`, V1);
    expect((await identify(bob, "ann")).success).toBe("true");
    socket.end();
  });
});
