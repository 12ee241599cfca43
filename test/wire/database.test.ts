import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { PROGRAMS, startShoal } from "../helpers/shoal.ts";

interface Item {
  text: string;
  id: number;
  prev: number;
}

/** Reads the whole history of a channel, forward, and checks that each message links to the last. */
async function readAll(client: Client): Promise<Item[]> {
  const items: Item[] = [];
  let after = 0;
  for (let more = "true"; more === "true";) {
    client.say({ type: "history", after, limit: 200 });
    const page = await client.nextOf("history");
    for (const item of page.messages as Item[]) {
      expect(item.prev).toBe(after);
      items.push(item);
      after = item.id;
    }
    more = String(page.more);
  }
  return items;
}

test("every message that anyone saw survives kill -9, and so do names and refs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-database-"));
  const env = {
    DATABASE: join(folder, "chat.sqlite"),
    MESSAGE_RATE: "0",
    HISTORY_LIMIT: "5000",
    HEARTBEAT_INTERVAL: "1",
  };
  const first = await startShoal({ env });
  const ann = await enter(`${first.ws}/a`, V1);
  ann.say({ type: "identity", user: "ann" });
  const { session } = await ann.nextOf("identity");
  const reader = await enter(`${first.ws}/a`);
  // Only a name that was held for a whole interval waits for its session: two heartbeats.
  for (let beats = 0; beats < 2; beats++) await reader.nextOf("heartbeat");
  for (let n = 0; n < 2000; n++) ann.say({ type: "message", text: `${n}`, ref: `${n}` });
  const shown: string[] = [];
  while (shown.length < 700) shown.push(String((await reader.nextOf("message")).text));
  await first.end("SIGKILL");
  const late = reader.rest.filter((frame) => frame.includes('"message"'));
  shown.push(...late.map((frame) => String(JSON.parse(frame).text)));

  const second = await startShoal({ env });
  const back = await enter(`${second.ws}/a`, V1);
  back.say({ type: "identity", user: "ann" });
  expect(await back.nextOf("identity")).toMatchObject({ success: "false", code: "name_taken" });
  back.say({ type: "identity", user: "ann", session });
  expect(await back.nextOf("identity")).toMatchObject({ success: "true", session });
  const kept = await readAll(back);
  const texts = kept.map(({ text }) => text);
  expect(texts.slice(0, shown.length)).toEqual(shown);
  expect(texts).toEqual(Array.from(kept, (_, n) => `${n}`));
  const { text, id } = kept.at(-1)!;
  back.say({ type: "message", text, ref: text });
  expect((await back.nextOf("ack")).id).toBe(id);
  expect(await second.end()).toBe(0);
  rmSync(folder, { recursive: true });
});

test("a database that is deleted while the server runs makes it unhealthy within a second", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-deleted-"));
  const path = join(folder, "chat.sqlite");
  const shoal = await startShoal({ env: { DATABASE: path } });
  const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
  const health = async () => {
    const answer = await fetch(`${shoal.http}/-/health`);
    return [answer.status, await answer.text()];
  };
  expect(await health()).toEqual([200, "ok\n"]);
  rmSync(path);
  const since = performance.now();
  while ((await health())[0] === 200) await Bun.sleep(20);
  expect(performance.now() - since).toBeLessThan(2000);
  expect((await health())[1]).toContain("log");
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect((await ann.nextOf("error")).code).toBe("unavailable");

  // Nobody can start on a new file there while the first server runs.
  expect(startShoal({ env: { DATABASE: path } })).rejects.toThrow("another process uses it");
  expect((await health())[0]).toBe(503);
  expect(await shoal.end()).toBe(0);
  rmSync(folder, { recursive: true });
});

test("a folder that is deleted while the server runs: messages are refused, reading goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-folder-"));
  const shoal = await startShoal({ env: { DATABASE: join(folder, "chat.sqlite") } });
  const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
  ann.say({ type: "message", text: "kept", ref: "1" });
  await ann.nextOf("ack");
  rmSync(folder, { recursive: true });
  ann.say({ type: "message", text: "hi", ref: "2" });
  expect((await ann.nextOf("error")).code).toBe("unavailable");
  ann.say({ type: "history" });
  expect((await ann.nextOf("history")).messages).toMatchObject([{ text: "kept" }]);
  expect(shoal.output()).toContain("its file was deleted or replaced");
  expect(await shoal.end()).toBe(0);
});

/** How to start a process that the modes of files hold for, even as root. */
const isRoot = process.getuid?.() === 0;
const bound = isRoot ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];

test.each([
  ["file", 0o444, 0o777],
  ["folder", 0o666, 0o555],
])("does not start with a %s that it cannot write to, and names it", (_, file, mode) => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-readonly-"));
  const path = join(folder, "chat.sqlite");
  writeFileSync(path, "");
  chmodSync(path, file);
  chmodSync(folder, mode);
  const { exitCode, stderr } = Bun.spawnSync([...bound, ...PROGRAMS.source], {
    cwd: "/",
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", DATABASE: path },
  });
  expect(stderr.toString()).toMatch(
    /^shoal: cannot start: DATABASE .*chat\.sqlite cannot be used: EACCES: permission denied, open '.*'\.\n$/,
  );
  expect(exitCode).toBe(1);
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

const MESSAGES = 2000;

/** A file as Shoal 0.3 wrote it, with messages in two channels. */
function makeOld(path: string): void {
  const old = new Database(path);
  old.run(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE meta (secret BLOB NOT NULL, forgotten INTEGER NOT NULL);
    INSERT INTO meta VALUES (randomblob(32), 0);
    CREATE TABLE channels (channel TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE messages (
      channel TEXT NOT NULL, id INTEGER NOT NULL, prev INTEGER NOT NULL, text TEXT NOT NULL,
      user TEXT NOT NULL, timestamp INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (channel, id)
    ) WITHOUT ROWID;
    CREATE TABLE refs (
      channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL, id INTEGER NOT NULL,
      hash TEXT NOT NULL, timestamp INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (channel, session, ref)
    ) WITHOUT ROWID;
    CREATE INDEX refs_by_age ON refs (timestamp);
    CREATE TABLE names (
      channel TEXT NOT NULL, key TEXT NOT NULL, shown TEXT NOT NULL, session TEXT NOT NULL,
      since INTEGER NOT NULL, PRIMARY KEY (channel, key)) WITHOUT ROWID;
    PRAGMA application_id = ${0x53686f6c};
    PRAGMA user_version = 3;`);
  const insert = old.query("INSERT INTO messages VALUES (?, ?, ?, ?, '\"ann\"', 1700000000)");
  old.transaction(() => {
    for (const channel of ["a", "b"]) {
      for (let n = 1; n <= MESSAGES / 2; n++) {
        insert.run(channel, n, n - 1, JSON.stringify(`${n} ${"word ".repeat(n % 30)}`));
      }
      old.query("INSERT INTO channels VALUES (?, ?)").run(channel, MESSAGES / 2);
    }
  })();
  old.close();
}

const OPEN = `
  import { openFile } from ${JSON.stringify(join(import.meta.dir, "../../src/broker/sqlite/data.ts"))};
  const log = { info() {}, warn() {}, error() {} };
  const history = { limit: 1000, ttl: Infinity, memory: 1e6 };
  const rules = { history, names: { grace: 0, heldFor: 0 } };
  console.log("opening");
  await openFile(process.argv[1], { rules, clock: Date.now, date: Date.now, log });
  console.log("opened");
  setInterval(() => {}, 1000);`;

/** Opens a database in another process, and kills that after some time, or once the file is open. */
async function openAndKill(path: string, after = Infinity): Promise<number> {
  const child = Bun.spawn([process.execPath, "-e", OPEN, path], { stdout: "pipe" });
  let since = 0;
  for await (const chunk of child.stdout) {
    const said = new TextDecoder().decode(chunk);
    if (said.includes("opening")) {
      since = performance.now();
      if (after < Infinity) setTimeout(() => child.kill("SIGKILL"), after);
    }
    if (said.includes("opened")) break;
  }
  const took = performance.now() - since;
  child.kill("SIGKILL");
  await child.exited;
  return took;
}

test("killed at any moment of a migration, or of what follows it, a start finishes it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-migration-"));
  const whole = join(folder, "whole.sqlite");
  makeOld(whole);
  const took = await openAndKill(whole);
  const versions = new Set<unknown>();
  for (let round = 0; round < 12; round++) {
    const path = join(folder, `${round}.sqlite`);
    makeOld(path);
    for (let kills = 0; kills < 3; kills++) {
      await openAndKill(path, Math.random() * took);
      const database = new Database(path, { readwrite: true });
      versions.add(Object.values(database.query("PRAGMA user_version").get() as object)[0]);
      database.close();
    }
    await openAndKill(path);
    const database = new Database(path, { readwrite: true });
    const of = (sql: string) => Object.values(database.query(sql).get() as object)[0] as unknown;
    expect(of("PRAGMA integrity_check")).toBe("ok");
    expect(of("PRAGMA user_version")).toBe(4);
    expect(of("PRAGMA auto_vacuum")).toBe(2);
    expect(of("SELECT count(*) FROM messages")).toBe(MESSAGES);
    expect(of("SELECT count(*) FROM words_docsize")).toBe(MESSAGES);
    expect(of("SELECT sum(kept) FROM channels")).toBe(MESSAGES);
    database.close();
    const copy = new Database(`${path}-v3`, { readonly: true });
    expect(copy.query("SELECT count(*) AS n FROM messages").get()).toEqual({ n: MESSAGES });
    copy.close();
    const left = readdirSync(folder).filter((file) => file.startsWith(`${round}.sqlite`));
    const usual = ["", "-lock", "-v3"].map((end) => `${round}.sqlite${end}`);
    expect(left.filter((file) => !/-(wal|shm)$/.test(file)).toSorted()).toEqual(usual);
  }
  expect(versions.has(3)).toBe(true);
  rmSync(folder, { recursive: true });
}, 120_000);
