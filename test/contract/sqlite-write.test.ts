import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, type OpenDatabase } from "../../src/broker/sqlite/database.ts";
import type { Batch } from "../../src/broker/sqlite/orders.ts";
import { answer } from "../../src/broker/sqlite/read.ts";
import { expireOnce, write } from "../../src/broker/sqlite/transactions.ts";

/** What a batch that could not be written is answered. */

const folder = mkdtempSync(join(tmpdir(), "shoal-write-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A new database, in whose place `fail` runs each statement that begins or ends a transaction. */
function failing(fail: (sql: string, run: () => void) => void): OpenDatabase {
  const opened = open(join(folder, `${files++}.sqlite`), 0);
  const { database } = opened;
  const run = database.run.bind(database);
  database.run = ((sql: string) => fail(sql, () => run(sql))) as typeof database.run;
  return opened;
}

function batchOf(id: number): Batch {
  const message = { id, prev: 0, timestamp: 0, text: '"hi"', user: '"ann"' };
  const messages = [{ channel: "a", ...message, network: undefined }];
  return { messages, refs: [], names: [], probe: false };
}

function orderOf(batch: Batch) {
  const retention = { limit: 100, ttl: 0, age: 0, size: 0 };
  return { do: "write", batch, retention, now: 0 } as const;
}

function lastOf({ database }: OpenDatabase): number | undefined {
  return answer(database, { ask: "tail", channel: "a", floor: 0, limit: 1 }).last;
}

function sqliteError(code: string): Error {
  return Object.assign(new Error("failed"), { code });
}

test.each([
  ["SQLITE_FULL", "unavailable"],
  ["SQLITE_IOERR_WRITE", "unavailable"],
  ["SQLITE_IOERR_FSYNC", "unknown"],
  ["SQLITE_IOERR", "unknown"],
] as const)("%s at the commit: %s, and the next batch is written", (code, fault) => {
  let commits = 0;
  const opened = failing((sql, run) => {
    if (sql === "COMMIT" && commits++ === 0) throw sqliteError(code);
    run();
  });
  const reason = "failed";
  expect(write(opened, orderOf(batchOf(1)))).toEqual({
    done: "failed",
    reason,
    fault,
    broken: false,
  });
  expect(lastOf(opened)).toBeUndefined();
  expect(write(opened, orderOf(batchOf(1)))).toEqual({ done: "write" });
  expect(lastOf(opened)).toBe(1);
  opened.database.close();
});

test("an error before the commit: unavailable", () => {
  const opened = failing((_, run) => run());
  const { messages, ...rest } = batchOf(1);
  const twice = { ...rest, messages: [...messages, ...messages] };
  expect(write(opened, orderOf(twice))).toMatchObject({ fault: "unavailable", broken: false });
  expect(opened.database.inTransaction).toBe(false);
  opened.database.close();
});

test("a commit that fails and is there all the same: unknown, and broken", () => {
  const opened = failing((sql, run) => {
    run();
    if (sql === "COMMIT") throw sqliteError("SQLITE_IOERR");
  });
  expect(write(opened, orderOf(batchOf(1)))).toMatchObject({ fault: "unknown", broken: true });
  opened.database.close();
});

test("a transaction that cannot be rolled back: unknown, and broken", () => {
  const opened = failing((sql, run) => {
    if (sql === "BEGIN IMMEDIATE") run();
    else throw sqliteError("SQLITE_FULL");
  });
  expect(write(opened, orderOf(batchOf(1)))).toMatchObject({ fault: "unknown", broken: true });
  opened.database.close();
});

test("a removal whose text stays in the log is written, and the log is emptied later", () => {
  const opened = failing((_, run) => run());
  const { database } = opened;
  expect(write(opened, orderOf(batchOf(1)))).toEqual({ done: "write" });
  const query = database.query.bind(database);
  database.query = ((sql: string) => {
    if (sql.includes("wal_checkpoint")) throw sqliteError("SQLITE_FULL");
    return query(sql);
  }) as typeof database.query;
  const removal = { ...batchOf(2).messages[0]!, prev: 1, text: '""', deletes: 1 };
  const batch = { ...batchOf(2), messages: [removal] };
  expect(write(opened, orderOf(batch))).toEqual({ done: "write" });
  expect(opened.uncleared).toBe(true);
  database.query = query;
  expireOnce(opened, { ...orderOf(batch), do: "expire", expired: [], limits: undefined });
  expect(opened.uncleared).toBe(false);
  database.close();
});

test("a file that is deleted during the commit: unknown, and no batch until a restart", () => {
  const path = join(folder, "away.sqlite");
  const opened = open(path, 0);
  const { database } = opened;
  const run = database.run.bind(database);
  database.run = ((sql: string) => {
    run(sql);
    if (sql === "COMMIT") renameSync(path, `${path}2`);
  }) as typeof database.run;
  expect(write(opened, orderOf(batchOf(1)))).toMatchObject({ fault: "unknown", broken: false });
  expect(write(opened, orderOf(batchOf(1)))).toMatchObject({ fault: "unavailable" });
  renameSync(`${path}2`, path);
  expect(write(opened, orderOf(batchOf(1)))).toMatchObject({ fault: "unavailable" });
  database.close();
});

test("a text that was removed does not hold up what is written while somebody reads", () => {
  const opened = open(join(folder, `${files++}.sqlite`), 0);
  write(opened, orderOf(batchOf(1)));
  const reader = new Database(opened.path, { readonly: true });
  reader.run("BEGIN");
  reader.query("SELECT * FROM messages").all();
  const { messages } = batchOf(2);
  const removal = { ...messages[0]!, text: '""', deletes: 1 };
  const begun = performance.now();
  write(opened, orderOf({ ...batchOf(2), messages: [removal] }));
  for (let id = 3; id < 10; id++) write(opened, orderOf(batchOf(id)));
  // Each of the eight would wait for a second.
  expect(performance.now() - begun).toBeLessThan(4000);
  expect(opened.uncleared).toBe(true);
  reader.close();
  const nothing = { expired: [], limits: undefined };
  expireOnce(opened, { ...orderOf(batchOf(10)), do: "expire", ...nothing });
  expect(opened.uncleared).toBe(false);
  opened.database.close();
});

test("a search goes through its hits, and not through the channel", () => {
  const opened = open(join(folder, `${files++}.sqlite`), 0);
  const { database } = opened;
  write(opened, orderOf(batchOf(1)));
  const asked: string[] = [];
  const query = database.query.bind(database);
  database.query = ((sql: string) => (asked.push(sql), query(sql))) as typeof database.query;
  const found = { ask: "search", channel: "a", floor: 0, query: "hi", limit: 10 } as const;
  expect(answer(database, found).messages.length).toBe(1);
  const [search = ""] = asked.filter((sql) => sql.includes("MATCH"));
  const plan = query(`EXPLAIN QUERY PLAN ${search}`).all() as { detail: string }[];
  expect(plan.map(({ detail }) => detail).join("\n")).not.toContain("messages_by_id");
  database.close();
});
