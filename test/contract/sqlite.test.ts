import { Database } from "bun:sqlite";
import { afterAll, describe, expect, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSqliteBroker } from "../../src/broker/sqlite.ts";
import { openSqlite } from "../../src/broker/sqlite-data.ts";
import type { Order, Reply } from "../../src/broker/sqlite-worker.ts";
import { createLog } from "../../src/log.ts";
import {
  brokerContract,
  type Heard,
  type OpenStore,
  recorder,
  RULES,
  type Store,
} from "./broker.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
const log = createLog({ level: "silent", readable: true, write() {}, clock: () => new Date() });

async function openFile(path: string, rules = RULES, now = 1_700_000_000_000): Promise<Store> {
  const heard: Heard[] = [];
  const clock = () => store.now;
  const store: Store = { now, node: () => ({ broker, heard }), close: async () => broker.close() };
  const data = await openSqlite(path, rules, clock);
  const broker = createSqliteBroker(data, rules, clock, recorder(heard), log);
  return store;
}

const open: OpenStore = (rules) => openFile(newFile(), rules);
brokerContract("sqlite", open);

/** Somebody comes, holds a name for long enough, and breaks off. */
async function keepName(store: Store, key: string): Promise<void> {
  const { broker } = store.node();
  const holder = {};
  await broker.join("a");
  const name = { shown: key, key };
  await broker.claim("a", { holder, name, held: undefined, session: key });
  store.now += RULES.names.heldFor;
  broker.release("a", { holder, key, keep: true });
  broker.leave("a");
}

function draft(text: string, ref?: string) {
  return { text: JSON.stringify(text), user: '"ann"', session: "s", ref };
}

describe("sqlite: across restarts", () => {
  test("messages, ids, refs and what was forgotten are there again", async () => {
    const path = newFile();
    const first = await openFile(path);
    const { broker } = first.node();
    await broker.join("a");
    const lone = await broker.publish("a", draft("\ud800 \u2028 🎣"));
    const id = await broker.publish("a", draft("hi", "1"));
    await broker.join("gone");
    const forgotten = await broker.publish("gone", draft("x"));
    broker.leave("gone");
    first.now += 60_000;
    broker.renew();
    await first.close();

    const again = await openFile(path, RULES, first.now - 3_600_000);
    const next = again.node().broker;
    expect(next.secret).toEqual(broker.secret);
    expect(await next.join("a")).toBe(id as number);
    const page = await next.history("a", { limit: 10 });
    expect(page.messages.map((message) => message.id)).toEqual([lone, id] as number[]);
    expect(page.messages[0]!.text).toBe(JSON.stringify("\ud800 \u2028 🎣"));
    expect(await next.publish("a", draft("hi", "1"))).toBe(id);
    expect(await next.publish("a", draft("ho", "1"))).toBe("ref_reused");
    expect(await next.publish("a", draft("later"))).toBe((id as number) + 1);
    expect(await next.join("gone")).toBe(forgotten as number);
    await again.close();
  });

  test("a name that was held for long enough waits for its session, also after a crash", async () => {
    const path = newFile();
    const first = await openFile(path);
    const { broker } = first.node();
    await broker.join("a");
    const claim = (key: string, session?: string) => ({
      holder: { key },
      name: { shown: key, key },
      held: undefined,
      session,
    });
    for (const key of ["long", "freed", "renamed"]) await broker.claim("a", claim(key, "s"));
    await broker.claim("a", claim("plain"));
    first.now += 10_000;
    await broker.claim("a", claim("short", "s"));
    const released = claim("late", "s");
    await broker.claim("a", released);
    broker.release("a", { holder: released.holder, key: "late", keep: false });
    await broker.publish("a", draft("all of this is on the disk by then"));

    // What a crash leaves behind: the file as it is now, with nobody having said good-bye.
    const copy = newFile();
    for (const end of ["", "-wal"]) {
      await Bun.write(`${copy}${end}`, Bun.file(`${path}${end}`));
    }
    await first.close();
    const again = await openFile(copy, RULES, first.now);
    const next = again.node().broker;
    expect((await next.roster("a")).names.toSorted()).toEqual(["freed", "long", "renamed"]);
    expect(await next.claim("a", claim("long", "t"))).toBe(false);
    await next.join("a");
    expect(await next.claim("a", claim("long", "s"))).toBe(true);
    again.now += 30_000;
    next.renew();
    expect((await next.roster("a")).names).toEqual(["long"]);
    await again.close();
  });

  test("a name that was kept for long before does not keep a later one", async () => {
    const path = newFile();
    const first = await openFile(path, { ...RULES, names: { ...RULES.names, grace: 3_600_000 } });
    await keepName(first, "old");
    await first.close();
    const again = await openFile(path, RULES, first.now);
    await keepName(again, "new");
    again.now += RULES.names.grace;
    const { broker } = again.node();
    broker.renew();
    expect((await broker.roster("a")).names).toEqual(["old"]);
    await again.close();
  });

  test("what is no longer kept is no longer in the file", async () => {
    const path = newFile();
    const store = await openFile(path, { ...RULES, history: { ...RULES.history, limit: 5 } });
    const { broker } = store.node();
    await broker.join("a");
    for (let n = 0; n < 50; n++) await broker.publish("a", draft(`${n}`));
    await store.close();
    const database = new Database(path, { readonly: true });
    const { n } = database.query("SELECT count(*) AS n FROM messages").get() as { n: number };
    database.close();
    expect(n).toBeLessThanOrEqual(6);
  });

  test("the file is for its owner alone", async () => {
    const path = newFile();
    await (await openFile(path)).close();
    expect(statSync(path).mode & 0o077).toBe(0);
  });
});

test("sqlite: with more than 8 MiB under way, messages are refused", async () => {
  const store = await openFile(newFile(), {
    ...RULES,
    history: { ...RULES.history, memory: 64 * 1024 * 1024 },
  });
  const { broker, heard } = store.node();
  await broker.join("a");
  const text = "x".repeat(100_000);
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => broker.publish("a", draft(text))),
  );
  const refused = answers.filter((answer) => answer === "unavailable").length;
  expect(refused).toBeGreaterThan(40);
  expect(refused).toBeLessThan(70);
  expect(heard.filter(({ is }) => is === "message").length).toBe(100 - refused);
  expect(await broker.publish("a", draft("fine again"))).toBeNumber();
  await store.close();
});

test("sqlite: when its thread ends, what is under way is unknown, and the server stops", async () => {
  const exited = Promise.withResolvers<unknown>();
  const exit = spyOn(process, "exit").mockImplementation(((status) =>
    exited.resolve(status)) as typeof process.exit);
  const data = await openSqlite(newFile(), RULES, Date.now);
  const broker = createSqliteBroker(data, RULES, Date.now, recorder([]), log);
  await broker.join("a");
  const first = broker.publish("a", draft("on its way", "1"));
  const again = broker.publish("a", draft("on its way", "1"));
  // The batch of these is handed over by then.
  await Promise.resolve();
  const later = broker.publish("a", draft("behind it"));
  data.worker.terminate();
  expect(await Promise.all([first, again, later])).toEqual(["unknown", "unknown", "unknown"]);
  expect(await exited.promise).toBe(1);
  exit.mockRestore();
});

test("sqlite: a thread that ends while the file is being closed holds nothing up", async () => {
  const data = await openSqlite(newFile(), RULES, Date.now);
  const broker = createSqliteBroker(data, RULES, Date.now, recorder([]), log);
  await broker.join("a");
  void broker.publish("a", draft("on its way"));
  const closed = broker.close();
  data.worker.terminate();
  await closed;
});

test("sqlite: names cost no more while the disk is full, and are in the file once it is not", async () => {
  const path = newFile();
  const data = await openSqlite(path, RULES, () => 1_700_000_000_000);
  const { worker } = data;
  const orders: Extract<Order, { do: "write" }>[] = [];
  let full = false;
  const thread = {
    postMessage(order: Order) {
      if (order.do === "write") orders.push(order);
      if (order.do !== "write" || !full) worker.postMessage(order);
      else queueMicrotask(() => thread.onmessage({ data: { done: "failed", reason: "full" } }));
    },
    terminate: () => worker.terminate(),
    addEventListener() {},
    onmessage: (_: { data: Reply }) => {},
  };
  worker.onmessage = (event) => thread.onmessage(event);
  const file = { ...data, worker: thread as unknown as Worker };
  let now = 1_700_000_000_000;
  const broker = createSqliteBroker(file, RULES, () => now, recorder([]), log);
  const claim = (key: string, holder: object, held?: string) =>
    broker.claim("a", { holder, name: { shown: key, key }, held, session: `${key}'s` });
  await broker.join("a");
  await claim("ann", {});
  await broker.publish("a", draft("on the disk"));

  full = true;
  expect(await broker.publish("a", draft("refused"))).toBe("unavailable");
  orders.length = 0;
  const holder = {};
  for (let n = 0; n < 1000; n++) await claim(`n${n}`, holder, n === 0 ? undefined : `n${n - 1}`);
  await Bun.sleep(20);
  expect(orders).toEqual([]);
  broker.renew();
  await Bun.sleep(20);
  expect(orders.map(({ batch }) => batch.names.length)).toEqual([2]);
  expect(file.waiting.names.size).toBe(0);

  full = false;
  broker.renew();
  await broker.publish("a", draft("fine again"));
  await claim("bob", {});
  now += RULES.names.heldFor;
  await broker.close();
  const again = await openFile(path, RULES, now);
  const { names } = await again.node().broker.roster("a");
  expect(names.toSorted()).toEqual(["ann", "bob", "n999"]);
  await again.close();
});

test("sqlite: a path is a path, whatever SQLite would make of it", async () => {
  const cwd = process.cwd();
  process.chdir(mkdtempSync(join(folder, "cwd-")));
  const store = await openFile(":memory:");
  await store.node().broker.join("a");
  await store.node().broker.publish("a", draft("kept"));
  await store.close();
  expect(statSync(":memory:").size).toBeGreaterThan(0);
  process.chdir(cwd);
});

describe("sqlite: a file that can not be used is told, and left as it is", () => {
  async function faultOf(path: string): Promise<string> {
    return openFile(path).then(
      () => "none",
      (error: Error) => error.message,
    );
  }

  test("no database", async () => {
    const path = newFile();
    writeFileSync(path, "Dear diary, this is no database at all.".repeat(100));
    expect(await faultOf(path)).toEndWith("can not be used: file is not a database.");
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("another program's", async () => {
    const path = newFile();
    const other = new Database(path);
    other.run("CREATE TABLE songs (title TEXT)");
    other.close();
    const before = await Bun.file(path).bytes();
    expect(await faultOf(path)).toContain("it is the database of another program");
    expect(await Bun.file(path).bytes()).toEqual(before);
  });

  test("a newer version's", async () => {
    const path = newFile();
    await (await openFile(path)).close();
    const newer = new Database(path);
    newer.run("PRAGMA user_version = 1000");
    newer.close();
    expect(await faultOf(path)).toContain("a newer version of Shoal wrote it");
  });

  test("a folder, and a file in no folder", async () => {
    expect(await faultOf(folder)).toContain("EISDIR");
    expect(await faultOf(join(folder, "nowhere", "x.sqlite"))).toContain("ENOENT");
  });

  test("one that another process uses", async () => {
    const path = newFile();
    const store = await openFile(path);
    const script = `
      import { openSqlite } from ${JSON.stringify(join(import.meta.dir, "../../src/broker/sqlite-data.ts"))};
      await openSqlite(${JSON.stringify(path)}, ${JSON.stringify(RULES)}, Date.now)
        .then(() => console.log("opened"), (error) => console.log(error.message));
      process.exit(0);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toContain("another process uses it");
    await store.close();
  });
});
