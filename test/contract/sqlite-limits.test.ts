import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { draft } from "./port.ts";
import { type FileStore, inFile, openFileStore } from "./sqlite-store.ts";

/** What leaves the file by its own rules, and when. */

const folder = mkdtempSync(join(tmpdir(), "shoal-limits-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);

const HOUR = 3_600_000;
const FOR_EVER = { limit: 10_000, ttl: Infinity };

/** Renews for so many steps, in which a rule that holds would delete something. */
async function renewed(store: FileStore, times = 5): Promise<void> {
  for (let n = 0; n < times; n++) {
    await store.broker.renew();
    // Behind the step in the thread that writes.
    await store.post("elsewhere", 1);
  }
}

describe("sqlite: HISTORY_AGE", () => {
  test("lets old messages go, whether somebody is in the channel or not", async () => {
    const store = await openFileStore(newFile(), { ...FOR_EVER, age: HOUR });
    await store.broker.join("a");
    await store.post("a", 450, { text: "old" });
    await store.post("b", 50, { text: "old" });
    store.now += HOUR / 2;
    const [young] = await store.post("a", 1, { text: "young" });
    store.now += HOUR / 2 - 1000;
    await renewed(store);
    expect([inFile(store.path, "a"), inFile(store.path, "b")]).toEqual([451, 50]);
    store.now += 2000;
    await store.until(() => inFile(store.path, "a") === 1 && inFile(store.path, "b") === 0);
    await store.until(async () => (await store.texts("a")).length === 1);
    expect(await store.texts("a")).toEqual(["young 0"]);
    expect(await store.texts("b")).toEqual([]);
    expect(await store.broker.history("a", { after: young! - 1, limit: 5 })).toMatchObject({
      gap: true,
      more: false,
    });
    expect((await store.broker.search("a", { query: "old", limit: 5 })).messages).toEqual([]);
    await store.broker.close();
  });

  test("memory shows nothing that has left the file, whatever is asked meanwhile", async () => {
    const store = await openFileStore(newFile(), { ...FOR_EVER, age: HOUR, memory: 20_000 });
    for (const channel of ["a", "b", "c"]) await store.post(channel, 250, { text: "old" });
    store.now += HOUR + 1000;
    const channels = ["a", "b", "c"];
    const asking = async () => {
      const pages = await Promise.all(channels.map((channel) => store.texts(channel)));
      return pages.every((texts) => texts.length === 0);
    };
    await store.until(asking);
    expect(inFile(store.path, "a")).toBe(0);
    for (let n = 0; n < 5; n++) expect(await asking()).toBe(true);
    await store.broker.close();
  });
});

describe("sqlite: HISTORY_TTL", () => {
  const TTL = { limit: 10_000, ttl: HOUR };

  test.each([
    ["in memory", 1_000_000],
    ["only in the file", 0],
  ])("lets a channel go that was empty for long enough, %s", async (_, memory) => {
    const store = await openFileStore(newFile(), { ...TTL, memory });
    for (const channel of ["left", "used"]) {
      await store.broker.join(channel);
      await store.post(channel, 250);
    }
    await store.broker.leave("left");
    store.now += HOUR - 1000;
    await renewed(store);
    expect(inFile(store.path, "left")).toBe(250);
    store.now += 2000;
    await store.until(() => inFile(store.path, "left") === 0);
    await store.until(async () => (await store.texts("left")).length === 0);
    expect(inFile(store.path, "used")).toBe(250);
    await store.broker.close();
  });

  test("after a restart too, and never what was said since", async () => {
    const path = newFile();
    const first = await openFileStore(path, TTL);
    for (let n = 0; n < 60; n++) await first.post(`c${n}`, 1, { text: "old" });
    await first.broker.close();
    const store = await openFileStore(path, TTL, first.now + 2 * HOUR);
    // While the channels are looked for, and while they are forgotten.
    for (let n = 0; n < 60; n++) {
      if (n % 7 === 0) await store.broker.renew();
      await store.post(`c${n}`, 1, { text: "new" });
    }
    await renewed(store, 10);
    for (let n = 0; n < 60; n++) expect((await store.texts(`c${n}`)).at(-1)).toBe("new 0");
    await store.broker.close();
  });
});

describe("sqlite: DATABASE_SIZE", () => {
  test("takes from the network with the most, and from no other", async () => {
    const size = 2 ** 20;
    const store = await openFileStore(newFile(), { ...FOR_EVER, size });
    const victims = Array.from({ length: 30 }, (_, n) => `victim${n}`);
    for (const [n, channel] of victims.entries()) {
      await store.post(channel, 20, { network: `2001:db8:${n % 3}::` });
    }
    const text = "tea ".repeat(100);
    for (const channel of ["flood1", "flood2", "flood3"]) {
      await store.post(channel, 1500, { text, network: "2001:db8:ffff::" });
    }
    // Counts what is given back to the file system too.
    const bytes = () => statSync(store.path).size;
    await renewed(store, 1);
    expect(bytes() + statSync(`${store.path}-wal`).size).toBeGreaterThan(2 * size);
    await store.until(async () => {
      await store.post("elsewhere", 1);
      return bytes() < 1.1 * size;
    });
    for (const channel of victims) expect(inFile(store.path, channel)).toBe(20);
    expect((await store.texts("flood1")).at(-1)).toBe(`${text} 1499`);
    await store.broker.close();
  }, 60_000);
});

describe("sqlite: a limit that was changed", () => {
  test("waits an hour if it is lower, then deletes in steps, and says so", async () => {
    const path = newFile();
    const first = await openFileStore(path, FOR_EVER);
    await first.post("a", 1500);
    await renewed(first, 1);
    await first.broker.close();

    const short = await openFileStore(path, { ...FOR_EVER, limit: 100 });
    expect(short.lines).toEqual([expect.stringMatching(/warn .*HISTORY_LIMIT.*an hour/)]);
    short.now += HOUR - 1000;
    await renewed(short);
    expect(inFile(path, "a")).toBe(1500);
    await short.broker.close();

    // The hour begins anew with each start.
    const store = await openFileStore(path, { ...FOR_EVER, limit: 100 });
    store.now += HOUR - 1000;
    await store.post("a", 300);
    await renewed(store);
    expect(inFile(path, "a")).toBe(1800);
    store.now += 1000;
    const counts = new Set<number>();
    await store.until(() => {
      counts.add(inFile(path, "a"));
      return inFile(path, "a") === 100;
    });
    expect(counts.size).toBeGreaterThan(3);
    await store.until(async () => (await store.texts("a")).length === 100);
    expect((await store.broker.history("a", { limit: 100 })).more).toBe(false);
    await store.broker.close();

    const again = await openFileStore(path, { ...FOR_EVER, limit: 100 });
    expect(again.lines).toEqual([]);
    await again.broker.close();
  }, 30_000);

  test("holds at once if it is higher", async () => {
    const path = newFile();
    const low = await openFileStore(path, { ...FOR_EVER, limit: 10 });
    await low.post("a", 50);
    expect(inFile(path, "a")).toBe(10);
    await low.broker.close();
    const high = await openFileStore(path, { ...FOR_EVER, limit: 400 });
    expect(high.lines).toEqual([]);
    await high.post("a", 300);
    expect(inFile(path, "a")).toBe(310);
    await high.broker.close();
  });

  test("to 0 keeps what is there for an hour, and then nothing", async () => {
    const path = newFile();
    const first = await openFileStore(path, FOR_EVER);
    await first.post("a", 5, { text: "before" });
    await renewed(first, 1);
    await first.broker.close();
    const store = await openFileStore(path, { ...FOR_EVER, limit: 0 });
    const [, last] = await store.post("a", 2, { text: "after" });
    expect((await store.texts("a")).slice(-3)).toEqual(["before 4", "after 0", "after 1"]);
    store.now += HOUR;
    await store.until(() => inFile(path) === 0);
    await store.until(async () => (await store.texts("a")).length === 0);
    expect((await store.broker.history("a", { after: last!, limit: 5 })).gap).toBe(false);
    await store.post("a", 2, { text: "later" });
    expect(await store.texts("a")).toEqual([]);
    await store.broker.close();
  });

  test.each([
    ["HISTORY_TTL", { ttl: HOUR }],
    ["HISTORY_AGE", { age: 1000 }],
    ["DATABASE_SIZE", { size: 2 ** 20 }],
  ])("%s waits too", async (setting, lower) => {
    const path = newFile();
    const first = await openFileStore(path, FOR_EVER);
    await first.post("a", 10);
    await renewed(first, 1);
    await first.broker.close();
    const store = await openFileStore(path, { ...FOR_EVER, ...lower }, first.now + 10 * HOUR);
    expect(store.lines).toEqual([expect.stringContaining(setting)]);
    store.now += HOUR - 1000;
    await renewed(store);
    expect(inFile(path, "a")).toBe(10);
    store.now += 1000;
    if (setting !== "DATABASE_SIZE") await store.until(() => inFile(path, "a") === 0);
    await store.broker.close();
  });
});

test("sqlite: a channel is charged to the network that takes most in it, not to the busiest", async () => {
  const path = newFile();
  const store = await openFileStore(path, FOR_EVER);
  await store.post("a", 20, { network: "chats" });
  await store.post("a", 5, { text: "long".repeat(400), network: "floods" });
  await store.post("a", 20, { network: "chats" });
  const rows = new Database(path)
    .query(
      "SELECT owner = network AS pays FROM messages, channels ORDER BY length(text) DESC LIMIT 1",
    )
    .all();
  expect(rows).toEqual([{ pays: 1 }]);
  await store.broker.close();
});

describe("sqlite: a step that cannot be written", () => {
  test("is done later, with all that had to go", async () => {
    const path = newFile();
    const store = await openFileStore(path, { limit: 100, ttl: HOUR });
    await store.broker.join("a");
    await store.post("a", 50);
    await store.broker.leave("a");
    const other = new Database(path);
    other.run("BEGIN IMMEDIATE");
    store.now += HOUR + 1000;
    await store.broker.renew();
    // Behind the step in the thread that writes.
    expect(await store.broker.publish("b", draft("x"))).toBe("unavailable");
    other.close();
    await store.until(() => inFile(path, "a") === 0);
    const row = new Database(path).query<{ limits: string }, []>("SELECT limits FROM meta").get();
    expect(JSON.parse(row!.limits)).toMatchObject({ limit: 100 });
    await store.broker.close();
  });
});
