import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config.ts";
import { type Chat, type ChatOptions, connect } from "../../src/client/client.ts";
import { collect, once, tap, texts, until } from "../helpers/chat.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** The client library's search and removal, on every broker. */

type Open = (settings?: Partial<Config>) => Promise<TestServer>;

async function inMemory(settings: Partial<Config> = {}): Promise<TestServer> {
  return serve({ messageRate: 0, ...settings });
}

async function onDisk(settings: Partial<Config> = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-removal-"));
  const server = await inMemory({ database: join(folder, "shoal.db"), ...settings });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.drain();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A chat that ends with the test. */
function chat(url: string, options: ChatOptions = {}) {
  const made = connect(url, { random: () => 0, ...options });
  return Object.assign(made, { [Symbol.dispose]: () => made.close() });
}

/** Sends these one after the other. @returns their ids */
async function say(from: Chat, ...all: string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const text of all) {
    const sent = await from.send(text).sent;
    if (!sent.ok) throw new Error(sent.message);
    ids.push(sent.id!);
  }
  return ids;
}

/** Removes these. @returns the last removal's id */
async function take(from: Chat, ...ids: number[]): Promise<number> {
  const outcomes = await Promise.all(ids.map((id) => from.remove(id)));
  expect(outcomes).toEqual(outcomes.map(() => ({ ok: true, id: expect.any(Number) })));
  const last = outcomes.at(-1)!;
  return last.ok ? last.id! : 0;
}

test.each<[string, Open]>([
  ["in memory", inMemory],
  ["on the disk", onDisk],
])("%s, a removal is an event and leaves an empty message", async (_, open) => {
  await using server = await open();
  using ann = chat(`${server.ws}/a`, { name: "ann" });
  using bob = chat(`${server.ws}/a`, { name: "bob" });
  const heard = collect(bob, "message");
  const removals = collect(bob, "removed");
  const errors = [collect(ann, "error"), collect(bob, "error")];
  await once(bob, "history");
  const [one, two] = (await say(ann, "one", "two")) as [number, number];
  expect(await bob.remove(one)).toMatchObject({ ok: false, code: "forbidden" });
  expect(await ann.remove(two + 1)).toMatchObject({ ok: false, code: "not_found" });
  const removal = await take(ann, one);
  expect(await ann.remove(one)).toMatchObject({ ok: false, code: "not_found" });
  const [three] = (await say(ann, "three")) as [number];
  await until(() => heard.length === 3);
  expect(removals).toEqual([{ id: one, user: "ann" }]);
  expect(texts(heard)).toEqual(["one", "two", "three"]);
  expect(heard[2]).toMatchObject({ id: three, prev: removal });
  expect(bob.last).toBe(three);
  expect(errors).toEqual([[], []]);

  using cat = chat(`${server.ws}/a`);
  const expected = [{ id: one, text: "", user: "ann", removed: true }, { id: two }, { id: three }];
  const first = await once(cat, "history");
  expect(first.messages).toMatchObject(expected);
  expect(first.messages[1]).not.toHaveProperty("removed");
  expect((await bob.history({ after: one - 1 })).messages).toEqual(first.messages);
});

test.each<[string, Open]>([
  ["in memory", inMemory],
  ["on the disk", onDisk],
])("%s, whoever was away learns of a removal", async (_, open) => {
  await using server = await open();
  const wire = tap();
  using ann = chat(`${server.ws}/a`, { name: "ann" });
  using bob = chat(`${server.ws}/a`, { webSocket: wire.webSocket });
  await once(bob, "history");
  const heard = collect(bob, "message");
  const removals = collect(bob, "removed");
  const gaps = collect(bob, "gap");
  const [one] = (await say(ann, "one")) as [number];
  await until(() => heard.length === 1);
  wire.down = true;
  wire.cut();
  const [two] = (await say(ann, "two")) as [number];
  const last = await take(ann, one, two);
  wire.down = false;
  await until(() => bob.last === last);
  expect(heard).toMatchObject([
    { text: "one" },
    { id: two, text: "", removed: true, missed: true },
  ]);
  expect(removals).toEqual([
    { id: one, user: "ann" },
    { id: two, user: "ann" },
  ]);
  expect(gaps).toEqual([]);
});

test.each<[string, Open]>([
  ["in memory", inMemory],
  ["on the disk", onDisk],
])("%s, a removal whose ack is lost is done once", async (_, open) => {
  await using server = await open();
  const wire = tap();
  let deaf = false;
  class Deaf extends wire.webSocket {
    override set onmessage(listener: NonNullable<WebSocket["onmessage"]>) {
      super.onmessage = (event) => void (deaf || listener.call(this as WebSocket, event));
    }
  }
  using ann = chat(`${server.ws}/a`, { name: "ann", webSocket: Deaf });
  using bob = chat(`${server.ws}/a`);
  const removals = [collect(ann, "removed"), collect(bob, "removed")];
  await once(bob, "history");
  const [one] = (await say(ann, "one")) as [number];
  deaf = true;
  const removing = ann.remove(one);
  const sent = ann.send("two").sent;
  await until(() => removals[1]!.length === 1);
  const removal = bob.last;
  wire.cut();
  deaf = false;
  expect(await removing).toEqual({ ok: true, id: removal });
  expect(await sent).toMatchObject({ ok: true });
  const asked = wire.sent.filter((frame) => frame.includes('"delete"'));
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBe(asked[0]!);
  await until(() => ann.last === bob.last && bob.last > removal);
  expect(removals).toEqual([[{ id: one, user: "ann" }], [{ id: one, user: "ann" }]]);
});

test("a removal waits for a connection, behind the messages that wait, and ends with the chat", async () => {
  await using server = await inMemory();
  const wire = tap();
  using ann = chat(`${server.ws}/a`, { name: "ann", webSocket: wire.webSocket });
  const [one] = (await say(ann, "one")) as [number];
  wire.cut();
  const two = ann.send("two").sent;
  const removed = ann.remove(one);
  const [said, gone] = [await two, await removed];
  expect([said.ok, gone.ok]).toEqual([true, true]);
  expect((gone.ok && gone.id)! > (said.ok && said.id)!).toBeTrue();
  wire.down = true;
  wire.cut();
  const never = ann.remove(one);
  ann.close();
  expect(await never).toMatchObject({ ok: false, code: "closed" });
  expect(await ann.remove(one)).toMatchObject({ ok: false, code: "closed" });
});

test("a removal needs a session", async () => {
  await using server = await inMemory();
  using ann = chat(`${server.ws}/a`);
  await once(ann, "history");
  expect(await ann.remove(1)).toMatchObject({ ok: false, code: "not_identified" });
});

test.each<[string, Open]>([
  ["in memory", inMemory],
  ["on the disk", onDisk],
])("%s, paging gets past any number of removals", async (_, open) => {
  await using server = await open({ historyLimit: 1000 });
  using ann = chat(`${server.ws}/a`, { name: "ann", history: 0 });
  const ids = await say(ann, "first", ...Array.from({ length: 20 }, (_, at) => `${at}`));
  await take(ann, ...ids.slice(1));
  using bob = chat(`${server.ws}/a`, { history: 3 });
  const live = collect(bob, "message");
  const gone = collect(bob, "removed");
  // Behind 20 removals stand the messages that they removed.
  const first = await once(bob, "history");
  expect(first.messages.map(({ removed }) => removed)).toEqual(first.messages.map(() => true));
  expect(first.messages.length).toBeGreaterThan(0);
  let page = first;
  const all = [...page.messages];
  while (page.more) {
    page = await bob.history({ before: all[0]!.id!, limit: 3 });
    all.unshift(...page.messages);
  }
  expect(all.map(({ id }) => id!)).toEqual(ids);
  const [last] = (await say(ann, "last")) as [number];
  const forward = await bob.history({ after: ids.at(-1)!, limit: 3 });
  expect(forward).toMatchObject({ messages: [{ id: last }], gap: false, more: false });
  await until(() => bob.last === last);
  expect([texts(live), gone]).toEqual([["last"], []]);
});

test.each<[string, Open]>([
  ["in memory", inMemory],
  ["on the disk", onDisk],
])("%s, a search finds messages, and a page shows what stands around one", async (_, open) => {
  await using server = await open();
  using ann = chat(`${server.ws}/a`, { name: "ann", history: 0 });
  const ids = await say(ann, "A red fish", "a dog", "two fish", "another fish", "the end");
  const found = await ann.search({ query: "FISH", limit: 2 });
  expect([texts(found.messages), found.more]).toEqual([["another fish", "two fish"], true]);
  const older = await ann.search({ query: "fish", before: found.messages[1]!.id!, limit: 2 });
  expect(older).toMatchObject({ messages: [{ text: "A red fish", id: ids[0] }], more: false });
  await take(ann, ids[2]!);
  expect(texts((await ann.search({ query: "fi* from:ann" })).messages)).toEqual([
    "another fish",
    "A red fish",
  ]);
  expect(await ann.search({ query: "cat" })).toEqual({ messages: [], more: false });
  await expect(ann.search({ query: "" })).rejects.toThrow("field");

  const around = await ann.history({ around: ids[2]!, limit: 3 });
  expect(around).toMatchObject({ before: true, after: true });
  expect(around.messages.map(({ id }) => id)).toContain(ids[2]);
  const whole = await ann.history({ around: ids[1]! });
  expect(whole).toMatchObject({ before: false, after: false });
  expect(whole.messages.map(({ id }) => id!)).toEqual(ids);
  expect(await ann.history({})).not.toHaveProperty("before");
  const asked = ann.search({ query: "fish" });
  ann.close();
  await expect(asked).rejects.toThrow("closed");
});
