import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashOf } from "../../src/broker/memory/refs.ts";
import { openFile, type SqliteData } from "../../src/broker/sqlite/data.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite.ts";
import type { Order, Reply } from "../../src/broker/sqlite/orders.ts";
import { createLog } from "../../src/log.ts";
import { brokerContract } from "./broker.ts";
import { YEAR } from "./clock.ts";
import {
  asked,
  clocksOf,
  type Heard,
  type OpenStore,
  recorder,
  RULES,
  START,
  type Store,
} from "./port.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
const log = createLog({ level: "silent", readable: true, write() {}, clock: () => new Date() });

async function openStore(path: string, rules = RULES, now = START, skew = 0): Promise<Store> {
  const heard: Heard[] = [];
  const node = () => ({ broker, heard });
  const store: Store = { now, skew, node, close: async () => broker.close() };
  const options = { rules, ...clocksOf(() => store, now), events: recorder(heard), log };
  const broker = asked(new SqliteBroker(await openFile(path, options), options));
  return store;
}

/** A broker on a new file, and what it knows. */
async function openData(clock: () => number = Date.now) {
  const options = { rules: RULES, clock, date: clock, events: recorder([]), log };
  const path = newFile();
  const data = await openFile(path, options);
  return { path, data, options };
}

const open: OpenStore = (rules) => openStore(newFile(), rules);
brokerContract("sqlite", open);

/** Somebody comes, holds a name for long enough, and breaks off. */
async function keepName(store: Store, key: string): Promise<void> {
  const { broker } = store.node();
  const holder = {};
  await broker.join("a");
  const name = { shown: key, key };
  await broker.claim("a", { holder, name, held: undefined, session: key });
  store.now += RULES.names.heldFor;
  await broker.release("a", { holder, key, keep: true });
  await broker.leave("a");
}

const SCHEMA_1 = `
  CREATE TABLE meta (secret BLOB NOT NULL, forgotten INTEGER NOT NULL);
  INSERT INTO meta VALUES (randomblob(32), 0);
  CREATE TABLE channels (channel TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE messages (
    channel TEXT NOT NULL, id INTEGER NOT NULL, prev INTEGER NOT NULL,
    text TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (channel, id)) WITHOUT ROWID;
  CREATE TABLE refs (
    channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL,
    id INTEGER NOT NULL, hash INTEGER NOT NULL, PRIMARY KEY (channel, session, ref)) WITHOUT ROWID;
  CREATE INDEX refs_by_age ON refs (id);
  CREATE TABLE names (
    channel TEXT NOT NULL, key TEXT NOT NULL, shown TEXT NOT NULL, session TEXT NOT NULL,
    since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (channel, key)) WITHOUT ROWID;`;

function draft(text: string, ref?: string) {
  return { holder: {}, text: JSON.stringify(text), user: '"ann"', session: "s", ref };
}

describe("sqlite: across restarts", () => {
  test("messages, ids, refs and what was forgotten are there again", async () => {
    const path = newFile();
    const first = await openStore(path);
    const { broker } = first.node();
    await broker.join("a");
    const lone = await broker.publish("a", draft("\ud800 \u2028 🎣"));
    const id = await broker.publish("a", draft("hi", "1"));
    await broker.join("gone");
    const forgotten = await broker.publish("gone", draft("x"));
    await broker.leave("gone");
    first.now += 60_000;
    await broker.renew();
    await first.close();

    const again = await openStore(path, RULES, first.now - 3_600_000);
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
    const first = await openStore(path);
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
    await broker.release("a", { holder: released.holder, key: "late", keep: false });
    await broker.publish("a", draft("all of this is on the disk by then"));

    // What a crash leaves behind: the file as it is now, with nobody having said good-bye.
    const copy = newFile();
    for (const end of ["", "-wal"]) {
      await Bun.write(`${copy}${end}`, Bun.file(`${path}${end}`));
    }
    await first.close();
    const again = await openStore(copy, RULES, first.now);
    const next = again.node().broker;
    expect((await next.roster("a")).names!.toSorted()).toEqual(["freed", "long", "renamed"]);
    expect(await next.claim("a", claim("long", "t"))).toBe(false);
    await next.join("a");
    expect(await next.claim("a", claim("long", "s"))).toBe(true);
    again.now += 30_000;
    await next.renew();
    expect((await next.roster("a")).names).toEqual(["long"]);
    await again.close();
  });

  test.each([
    ["an hour behind", -3_600_000],
    ["right", 0],
    ["a year ahead", YEAR],
  ])(
    "a name that was kept is kept again for the usual time, with a date that is %s",
    async (_, skew) => {
      const path = newFile();
      const first = await openStore(path, { ...RULES, names: { ...RULES.names, grace: YEAR } });
      await keepName(first, "ann");
      await first.close();
      const again = await openStore(path, RULES, first.now, skew);
      const { broker } = again.node();
      const names = async () => (await broker.roster("a")).names;
      again.now += RULES.names.grace - 1;
      await broker.renew();
      expect(await names()).toEqual(["ann"]);
      again.now += 1;
      await broker.renew();
      expect(await names()).toEqual([]);
      await again.close();
    },
  );

  test("a date that was a year ahead leaves ids that rise, and timestamps that are right", async () => {
    const path = newFile();
    const first = await openStore(path, RULES, START, YEAR);
    const ahead = (await first.node().broker.publish("a", draft("ahead", "1"))) as number;
    await first.close();

    const again = await openStore(path);
    const { broker } = again.node();
    expect(await broker.publish("a", draft("ahead", "1"))).toBe(ahead);
    expect(await broker.publish("a", draft("corrected"))).toBe(ahead + 1);
    const { messages } = await broker.history("a", { limit: 10 });
    const timestamps = messages.map(({ timestamp }) => timestamp);
    expect(timestamps).toEqual([(START + YEAR) / 1000, START / 1000]);
    again.now += 10 * 60_000;
    expect(await broker.publish("a", draft("ahead", "1"))).toBe(ahead + 2);
    await again.close();
    const later = await openStore(path, RULES, again.now);
    const { messages: kept } = await later.node().broker.history("a", { limit: 10 });
    expect(kept.map(({ timestamp }) => timestamp)).toEqual([...timestamps, again.now / 1000]);
    await later.close();
  });

  test("what is no longer kept is no longer in the file", async () => {
    const path = newFile();
    const store = await openStore(path, { ...RULES, history: { ...RULES.history, limit: 5 } });
    const { broker } = store.node();
    await broker.join("a");
    for (let n = 0; n < 50; n++) await broker.publish("a", draft(`${n}`));
    await store.close();
    const database = new Database(path, { readonly: true });
    const { n } = database.query("SELECT count(*) AS n FROM messages").get() as { n: number };
    database.close();
    expect(n).toBeLessThanOrEqual(6);
  });

  test.each([
    [1, SCHEMA_1, "0"],
    [2, SCHEMA_1.replace("hash INTEGER", "hash TEXT"), hashOf('"kept"').toString(16)],
  ])("a file of version %i is brought up to date", async (version, schema, hash) => {
    const path = newFile();
    const id = START * 1000;
    const old = new Database(path);
    old.run(`
      ${schema}
      INSERT INTO channels VALUES ('a', ${id});
      INSERT INTO messages VALUES ('a', ${id}, 7, '"kept"', '"ann"');
      INSERT INTO refs VALUES ('a', 's', '1', ${id}, '${hash}'), ('a', 's', '2', ${id - 1}, '0');
      INSERT INTO names VALUES ('a', 'ann', 'Ann', 's', ${START - 10_000}, 0);
      PRAGMA application_id = ${0x53686f6c};
      PRAGMA user_version = ${version};`);
    old.close();

    const store = await openStore(path);
    const { broker } = store.node();
    expect((await broker.history("a", { limit: 10 })).messages).toEqual([
      { id, prev: 7, timestamp: START / 1000, text: '"kept"', user: '"ann"' },
    ]);
    expect(await broker.publish("a", draft("kept", "1"))).toBe(id);
    expect(await broker.publish("a", draft("another", "1"))).toBe("ref_reused");
    // Version 1 had hashes of 32 bits; without a message, there is nothing to make a longer one of.
    expect(await broker.publish("a", draft("another", "2"))).toBe(
      version === 1 ? id + 1 : "ref_reused",
    );
    expect((await broker.roster("a")).names).toEqual(["Ann"]);
    await store.close();
    await (await openStore(path)).close();
  });

  test("what is kept of a channel is counted in the same units before and after a migration", async () => {
    const path = newFile();
    const old = new Database(path);
    old.run(`
      ${SCHEMA_1}
      INSERT INTO channels VALUES ('a', 1);
      INSERT INTO messages VALUES ('a', 1, 0, '"🐟"', '"ann"');
      PRAGMA application_id = ${0x53686f6c};
      PRAGMA user_version = 1;`);
    old.close();
    const store = await openStore(path);
    await store.node().broker.publish("b", draft("🐟"));
    await store.close();
    const database = new Database(path, { readonly: true });
    const rows = database.query("SELECT channel, kept, bytes FROM channels ORDER BY channel").all();
    database.close();
    const kept = { kept: 1, bytes: '"🐟""ann"'.length };
    expect(rows).toEqual(["a", "b"].map((channel) => ({ channel, ...kept })));
  });

  test("the file is for its owner alone", async () => {
    const path = newFile();
    await (await openStore(path)).close();
    expect(statSync(path).mode & 0o077).toBe(0);
  });
});

test("sqlite: with more than 8 MiB under way, messages are refused", async () => {
  const store = await openStore(newFile(), {
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

describe("sqlite: when its thread ends", () => {
  test("what is under way is unknown, and the broker stays broken, but ends nothing", async () => {
    const { data, options } = await openData();
    const raw = new SqliteBroker(data, options);
    const broker = asked(raw);
    await broker.join("a");
    const first = broker.publish("a", draft("on its way", "1"));
    const again = broker.publish("a", draft("on its way", "1"));
    // The batch of these is handed over by then.
    await Promise.resolve();
    const later = broker.publish("a", draft("behind it"));
    data.worker.terminate();
    expect(await Promise.all([first, again, later])).toEqual(["unknown", "unknown", "unavailable"]);
    expect(raw.status()).toEqual({ state: "broken", reason: "its thread has ended" });
    expect(await broker.publish("a", draft("too late"))).toBe("unavailable");
    raw.dispose();

    const reloaded = new SqliteBroker(data, options);
    expect(reloaded.status()).toEqual(raw.status());
    expect(await asked(reloaded).publish("a", draft("too late"))).toBe("unavailable");
    await reloaded.close();
  });

  test("while the file is being closed, nothing waits for it", async () => {
    const { data, options } = await openData();
    const broker = asked(new SqliteBroker(data, options));
    await broker.join("a");
    void broker.publish("a", draft("on its way"));
    const closed = broker.close();
    data.worker.terminate();
    await closed;
  });
});

test("sqlite: a reload leaves no listener on the thread, and loses no answer", async () => {
  const { data, options } = await openData();
  const counted = counting(data);
  const first = new SqliteBroker(counted.data, options);
  const answer = asked(first).publish("a", draft("across a reload"));
  first.dispose();
  let last = first;
  for (let load = 0; load < 3; load++) {
    last = new SqliteBroker(counted.data, options);
    expect(counted.listeners()).toBe(1);
    if (load < 2) last.dispose();
  }
  expect(await answer).toBeNumber();
  await last.close();
  expect(counted.listeners()).toBe(0);
});

test("sqlite: what is read goes on over a reload, and is read once", async () => {
  const { data, options } = await openData();
  const first = new SqliteBroker(data, options);
  const joined = asked(first).join("a");
  first.dispose();
  const second = asked(new SqliteBroker(data, options));
  const again = second.join("a");
  expect(data.reader.pages.waiting.length).toBe(1);
  expect(await joined).toBe(await again);
  await second.close();
});

/** Data whose thread counts the listeners that it has. */
function counting(data: SqliteData) {
  const { worker } = data;
  let listeners = 0;
  const add = worker.addEventListener.bind(worker);
  const remove = worker.removeEventListener.bind(worker);
  worker.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  }) as typeof worker.addEventListener;
  worker.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  }) as typeof worker.removeEventListener;
  return { data, listeners: () => listeners };
}

const FULL: Reply = { done: "failed", reason: "full", fault: "unavailable", broken: false };

test("sqlite: a batch that cannot be taken back is unknown, and the broker is broken", async () => {
  const { data, options } = await openData();
  const raw = new SqliteBroker(data, options);
  await asked(raw).join("a");
  const first = asked(raw).publish("a", draft("on its way", "1"));
  await Promise.resolve();
  const later = asked(raw).publish("a", draft("behind it"));
  const reply: Reply = { done: "failed", reason: "a bad disk", fault: "unknown", broken: true };
  data.worker.onmessage!(new MessageEvent("message", { data: reply }));
  expect(await Promise.all([first, later])).toEqual(["unknown", "unavailable"]);
  expect(raw.status()).toEqual({ state: "broken", reason: "a bad disk" });
  expect(await asked(raw).publish("a", draft("too late"))).toBe("unavailable");
  raw.dispose();
  data.worker.terminate();
});

test("sqlite: names wait while the disk is full, and are in the file once it is not", async () => {
  let now = 1_700_000_000_000;
  const { path, data, options } = await openData(() => now);
  const { worker } = data;
  const orders: Extract<Order, { do: "write" }>[] = [];
  let full = false;
  const thread = {
    postMessage(order: Order) {
      if (order.do === "write") orders.push(order);
      if (order.do !== "write" || !full) worker.postMessage(order);
      else queueMicrotask(() => thread.onmessage({ data: FULL }));
    },
    terminate: () => worker.terminate(),
    addEventListener() {},
    removeEventListener() {},
    onmessage: (_: { data: Reply }) => {},
  };
  worker.onmessage = (event: MessageEvent<Reply>) => thread.onmessage(event);
  const file = { ...data, worker: thread as unknown as Worker };
  const broker = asked(new SqliteBroker(file, options));
  const claim = (key: string, holder: object, held?: string) =>
    broker.claim("a", { holder, name: { shown: key, key }, held, session: `${key}'s` });
  await broker.join("a");
  await claim("ann", {});
  await broker.publish("a", draft("on the disk"));

  full = true;
  expect(await broker.publish("a", draft("refused"))).toBe("unavailable");
  orders.length = 0;
  const holder = {};
  const rename = (n: number) => claim(`n${n}`, holder, n === 0 ? undefined : `n${n - 1}`);
  for (let n = 0; n < 1000; n++) await rename(n);
  await Bun.sleep(20);
  expect(orders).toEqual([]);
  await broker.renew();
  while (orders.length === 0) await Bun.sleep(1);

  full = false;
  await broker.renew();
  await broker.publish("a", draft("fine again"));
  await claim("bob", {});
  now += RULES.names.heldFor;
  await broker.close();
  const again = await openStore(path, RULES, now);
  const { names } = await again.node().broker.roster("a");
  expect(names!.toSorted()).toEqual(["ann", "bob", "n999"]);
  await again.close();
});

test("sqlite: while the disk is full, names take bounded memory", async () => {
  const { data, options } = await openData();
  const raw = new SqliteBroker(data, options);
  const holder = {};
  raw.join("a", () => {});
  // The thread has no time to write while this goes on, which is as good as a full disk.
  for (let n = 0; n < 25_000; n++) {
    const name = { shown: `n${n}`, key: `n${n}` };
    raw.claim("a", { holder, name, held: `n${n - 1}`, session: "s" }, () => {});
  }
  expect(data.gathered.names.size).toBeLessThanOrEqual(10_000);
  await raw.close();
});

test("sqlite: a path is a path, whatever SQLite would make of it", async () => {
  const cwd = process.cwd();
  process.chdir(mkdtempSync(join(folder, "cwd-")));
  const store = await openStore(":memory:");
  await store.node().broker.join("a");
  await store.node().broker.publish("a", draft("kept"));
  await store.close();
  expect(statSync(":memory:").size).toBeGreaterThan(0);
  process.chdir(cwd);
});

describe("sqlite: a file that cannot be used is told, and left as it is", () => {
  async function faultOf(path: string): Promise<string> {
    return openStore(path).then(
      () => "none",
      (error: Error) => error.message,
    );
  }

  test("no database", async () => {
    const path = newFile();
    writeFileSync(path, "Dear diary, this is no database at all.".repeat(100));
    expect(await faultOf(path)).toEndWith("cannot be used: file is not a database.");
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
    await (await openStore(path)).close();
    const newer = new Database(path);
    newer.run("PRAGMA user_version = 1000");
    newer.close();
    expect(await faultOf(path)).toContain("a newer version of Shoal wrote it");
  });

  test("a folder, and a file in no folder", async () => {
    expect(await faultOf(folder)).toContain("a directory, not a file");
    expect(await faultOf(join(folder, "nowhere", "x.sqlite"))).toContain("ENOENT");
  });

  test.each(["its path", "a link to it"])("one that another process uses, by %s", async (by) => {
    const file = newFile();
    const store = await openStore(file);
    const path = by === "its path" ? file : `${file}-link`;
    if (path !== file) symlinkSync(file, path);
    const script = `
      import { openFile } from ${JSON.stringify(join(import.meta.dir, "../../src/broker/sqlite/data.ts"))};
      const options = { rules: ${JSON.stringify(RULES)}, clock: Date.now, date: Date.now };
      await openFile(${JSON.stringify(path)}, options)
        .then(() => console.log("opened"), (error) => console.log(error.message));
      process.exit(0);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toContain("another process uses it");
    await store.close();
  });
});

describe("sqlite: a thread that reads", () => {
  test("and ends leaves nobody waiting, and another one takes its place", async () => {
    const { data, options } = await openData();
    const broker = asked(new SqliteBroker(data, options));
    await broker.join("a");
    const pages = ["b", "c"].map((channel) => broker.history(channel, { limit: 1 }));
    data.reader.pages.worker!.terminate();
    await Promise.all(pages);
    expect(await broker.history("d", { limit: 1 })).toMatchObject({ messages: [] });
    await broker.close();
  });
});
