import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
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
  const options = { rules: RULES, clock: Date.now, events: recorder([]), log };
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
    await Bun.sleep(50);
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
    await Bun.sleep(50);
    expect(raw.status()).toEqual({ state: "ready" });
    const id = await broker.publish("a", draft("again"));
    await broker.close();
    const { broker: next, lastId } = await openBroker(path);
    expect(await lastId()).toBe(id as number);
    expect((await next.history("a", { limit: 10 })).messages.length).toBe(2);
    await next.close();
  });
});
