import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, enterAs, V1 } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { historyOf, type Item } from "../helpers/v1.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-history-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(["", join(folder, "history.sqlite")])("history, database %j", (database) => {
  let server: TestServer;
  let channels = 0;
  const channel = () => `${server.ws}/history-${channels++}`;
  beforeAll(async () => {
    server = await serve({ database, messageRate: 0 });
  });
  afterAll(() => server.drain());

  test("resume: the history after the last id and the live messages leave no hole", async () => {
    const url = channel();
    const writer = await enterAs(url, "writer", V1);
    for (let n = 0; n < 10; n++) writer.say({ type: "message", text: `${n}` });
    const seen: number[] = [];
    for (let n = 0; n < 10; n++) seen.push((await writer.nextOf("message")).id as number);
    const back = await connect(url, V1);
    const { last } = await back.nextOf("connection");
    expect(last).toBe(seen[9]!);
    writer.say({ type: "message", text: "live" });
    back.say({ type: "history", after: seen[5] });
    let page: { messages: Item[]; gap: string; more: string } | undefined;
    let live: Item | undefined;
    while (page === undefined || live === undefined) {
      const frame = JSON.parse(await back.next());
      if (frame.type === "history") page = frame;
      if (frame.type === "message") live = frame;
    }
    expect([page.gap, page.more]).toEqual(["false", "false"]);
    // Depending on which came first, the page has the live message too.
    const items = page.messages.filter(({ id }) => id !== live.id).concat(live);
    expect(items.map(({ text }) => text)).toEqual(["6", "7", "8", "9", "live"]);
    expect(items.map(({ prev }) => prev)).toEqual([
      seen[5]!,
      ...items.slice(0, -1).map(({ id }) => id),
    ]);
  });

  test("limits, directions and invalid queries", async () => {
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

  test("a page takes at most 256 KiB, and says if there is more", async () => {
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

  test("with HISTORY_LIMIT=0, reports a gap unless the client has the last id", async () => {
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
});

test("without a database, reports a gap after a restart", async () => {
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
