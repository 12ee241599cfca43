import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, read } from "../../src/broker/sqlite/database.ts";
import type { Batch } from "../../src/broker/sqlite/orders.ts";
import { write } from "../../src/broker/sqlite/worker.ts";

/** What a batch that could not be written is answered. */

const folder = mkdtempSync(join(tmpdir(), "shoal-write-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A new database, in whose place `fail` runs each statement that begins or ends a transaction. */
function failing(fail: (sql: string, run: () => void) => void): Database {
  const database = open(join(folder, `${files++}.sqlite`));
  const run = database.run.bind(database);
  database.run = ((sql: string) => fail(sql, () => run(sql))) as typeof database.run;
  return database;
}

function batchOf(id: number): Batch {
  const messages = [{ channel: "a", id, prev: 0, text: '"hi"', user: '"ann"' }];
  return { messages, keeps: true, refs: [], names: [], drops: [] };
}

function lastOf(database: Database): number | undefined {
  return read(database, 0).channels[0]?.last;
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
  const database = failing((sql, run) => {
    if (sql === "COMMIT" && commits++ === 0) throw sqliteError(code);
    run();
  });
  const reason = "failed";
  expect(write(database, batchOf(1), 0)).toEqual({ done: "failed", reason, fault, broken: false });
  expect(lastOf(database)).toBeUndefined();
  expect(write(database, batchOf(1), 0)).toEqual({ done: "write" });
  expect(lastOf(database)).toBe(1);
  database.close();
});

test("an error before the commit: unavailable", () => {
  const database = failing((_, run) => run());
  const { messages, ...rest } = batchOf(1);
  const twice = { ...rest, messages: [...messages, ...messages] };
  expect(write(database, twice, 0)).toMatchObject({ fault: "unavailable", broken: false });
  expect(database.inTransaction).toBe(false);
  database.close();
});

test("a commit that fails and is there all the same: unknown, and broken", () => {
  const database = failing((sql, run) => {
    run();
    if (sql === "COMMIT") throw sqliteError("SQLITE_IOERR");
  });
  expect(write(database, batchOf(1), 0)).toMatchObject({ fault: "unknown", broken: true });
  database.close();
});

test("a transaction that cannot be rolled back: unknown, and broken", () => {
  const database = failing((sql, run) => {
    if (sql === "BEGIN IMMEDIATE") run();
    else throw sqliteError("SQLITE_FULL");
  });
  expect(write(database, batchOf(1), 0)).toMatchObject({ fault: "unknown", broken: true });
  database.close();
});
