import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../src/broker/sqlite/sqlite.ts";
import { createLog } from "../../src/log.ts";
import { asked, draft, recorder, RULES } from "./port.ts";

/** The file of the database, and what becomes of it. */

const folder = mkdtempSync(join(tmpdir(), "shoal-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);

/** A broker on this file, and the lines of its log. */
async function openBroker(path = newFile()) {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const log = createLog({ level: "info", readable: true, write, clock: () => new Date() });
  const clocks = { clock: () => performance.now(), date: Date.now };
  const options = { rules: RULES, ...clocks, events: recorder([]), log };
  const raw = await openSqlite({}, path, options);
  const broker = asked(raw);
  const lastId = () => broker.join("a");
  return { path, raw, broker, lines, lastId };
}

const GONE = { state: "failing", reason: "its file was deleted or replaced" } as const;

describe("sqlite: while it runs, the file", () => {
  test.each([
    ["is deleted", (path: string) => rmSync(path)],
    [
      "is replaced",
      (path: string) => (copyFileSync(path, `${path}2`), renameSync(`${path}2`, path)),
    ],
    ["loses its log", (path: string) => rmSync(`${path}-wal`)],
  ])("%s: messages are refused, and the log says so once", async (_, change) => {
    const { path, raw, broker, lines } = await openBroker();
    expect(await broker.publish("a", draft("kept"))).toBeNumber();
    change(path);
    expect(await broker.publish("a", draft("refused"))).toBe("unavailable");
    expect(await broker.publish("a", draft("refused"))).toBe("unavailable");
    expect(raw.status()).toEqual(GONE);
    expect(lines.filter((line) => line.includes("error"))).toEqual([
      expect.stringContaining("deleted or replaced"),
    ]);
    expect((await broker.history("a", { limit: 10 })).messages.length).toBe(1);
    await broker.close();
  });

  test("is deleted while nobody talks: noticed when the broker renews", async () => {
    const { path, raw, broker } = await openBroker();
    rmSync(path);
    await broker.renew();
    while (raw.status().state === "ready") await Bun.sleep(1);
    expect(raw.status()).toEqual(GONE);
    await broker.close();
  });

  test("is moved away and back: messages are accepted again", async () => {
    const { path, raw, broker } = await openBroker();
    await broker.publish("a", draft("kept"));
    renameSync(path, `${path}-away`);
    expect(await broker.publish("a", draft("refused"))).toBe("unavailable");
    renameSync(`${path}-away`, path);
    await broker.renew();
    while (raw.status().state !== "ready") await Bun.sleep(1);
    const id = await broker.publish("a", draft("again"));
    await broker.close();
    const { broker: next, lastId } = await openBroker(path);
    expect(await lastId()).toBe(id as number);
    expect((await next.history("a", { limit: 10 })).messages.length).toBe(2);
    await next.close();
  });
});

describe("sqlite: the copies of older files", () => {
  const DAY = 24 * 3600;

  test("are deleted after a week, and the log says so", async () => {
    const path = newFile();
    const copies = [1, 2, 3, 99].map((version) => `${path}-v${version}`);
    for (const copy of copies) writeFileSync(copy, "");
    const [old, recent, used, unknown] = copies as [string, string, string, string];
    const setAge = (copy: string, days: number) => {
      const time = Date.now() / 1000 - days * DAY;
      utimesSync(copy, time, time);
    };
    for (const copy of [old, used, unknown]) setAge(copy, 8);
    setAge(recent, 6);
    // A server has run on it, so it is no copy any more.
    writeFileSync(`${used}-lock`, "");
    const { broker, lines } = await openBroker(path);
    await broker.renew();
    while (existsSync(old)) await Bun.sleep(1);
    await broker.close();
    expect([recent, used, unknown].map((copy) => existsSync(copy))).toEqual([true, true, true]);
    expect(lines).toEqual([expect.stringContaining(`older database deleted copy=${old}`)]);
  });
});

describe("sqlite: at the start", () => {
  const mkfifo = (path: string) => void Bun.spawnSync(["mkfifo", path]);
  const listen = (path: string) => void Bun.listen({ unix: path, socket: { data() {} } });

  test.each([
    ["a directory", (path: string) => mkdirSync(path)],
    ["a FIFO", mkfifo],
    ["a socket", listen],
    ["a device", (path: string) => symlinkSync("/dev/full", path)],
  ])("%s is not a file, and is named", async (kind, make) => {
    const path = newFile();
    make(path);
    const error = await openBroker(path).catch((error: Error) => error);
    expect(error).toEqual(new Error(`DATABASE ${path} cannot be used: it is ${kind}, not a file.`));
  });

  test("files that others can read become private, with a warning", async () => {
    const { path, broker, lines } = await openBroker();
    expect(lines).toEqual([]);
    await broker.publish("a", draft("hi"));
    // What a crash leaves behind.
    const copy = newFile();
    for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${copy}${end}`);
    await broker.close();
    chmodSync(copy, 0o644);
    chmodSync(`${copy}-wal`, 0o660);
    const link = newFile();
    symlinkSync(copy, link);

    const again = await openBroker(link);
    expect([copy, `${copy}-wal`].map((file) => statSync(file).mode & 0o777)).toEqual([
      0o600, 0o600,
    ]);
    expect(again.lines).toEqual([
      expect.stringMatching(/ warn .*\.sqlite.*\b0644\b.*signs sessions/),
      expect.stringMatching(/ warn .*\.sqlite-wal.*\b0660\b.*signs sessions/),
    ]);
    expect((await again.broker.history("a", { limit: 10 })).messages.length).toBe(1);
    await again.broker.close();
  });
});
