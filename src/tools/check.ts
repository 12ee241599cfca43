import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { rulesOf } from "../broker/open.ts";
import { pragma } from "../broker/sqlite/database.ts";
import { sizeOf } from "../broker/sqlite/expire.ts";
import { entryOf } from "../broker/sqlite/index-words.ts";
import { retentionOf } from "../broker/sqlite/retention.ts";
import { recount, tally } from "../broker/sqlite/tally.ts";
import { openToRead, change, count, type Fault, isDamage, size, type Task } from "./task.ts";

/** `shoal check`: looks for faults, shows what the database holds, and what the settings delete. */

export const RESTORE =
  "Stop the server, put the file and its -wal aside, and restore a backup (docs/running.md).";
const REPAIR = "Stop the server and run shoal check --repair.";

/** Whether SQLite's finding concerns more than the search index, which can be rebuilt. */
export function isSevere(damage: string): boolean {
  return !/\bfts5\b/i.test(damage);
}

export async function check(task: Task): Promise<Fault | undefined> {
  const { path, options, write } = task;
  if (options.repair === true && isIntact(path)) {
    change(task, recount);
    await write("The search index and the counts of the channels were rebuilt.\n");
  }
  using database = openToRead(path);
  // Everything is as it was at one moment.
  database.run("BEGIN");
  const damages = damagesOf(database);
  if (damages.some(isSevere)) {
    await write(`${damages.slice(0, 10).join("\n")}\n`);
    return { status: 1, reason: `DATABASE ${path} is damaged. ${RESTORE}` };
  }
  const faults = [...damages, ...wrongCounts(database)];
  await write(`${contentsOf(database, path)}\n${doomed(database, task)}`);
  if (faults.length === 0) return void (await write("\nNo fault was found.\n"));
  await write(`\n${faults.join("\n")}\n`);
  return { status: 1, reason: `DATABASE ${path} has faults. Its messages are intact. ${REPAIR}` };
}

/** Whether the messages can be read, from which all else can be rebuilt. */
function isIntact(path: string): boolean {
  using database = openToRead(path);
  return !damagesOf(database).some(isSevere);
}

/** What SQLite finds wrong with a file, its index included; a line for each. */
export function damagesOf(database: Database): string[] {
  const rows = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
  return rows.map((row) => row.integrity_check.trim()).filter((line) => line !== "ok");
}

/** Whether the channels' counts and the index are what follows from the messages. */
function wrongCounts(database: Database): string[] {
  let expected = 0n;
  const tallies = tally(database, (row) => {
    for (const word of entryOf(row).split(" ")) expected += hash(word);
  });
  const channels = database.query<{ number: number; kept: number; bytes: number }, []>(
    "SELECT number, kept, bytes FROM channels",
  );
  let wrong = 0;
  for (const { number, kept, bytes } of channels.all()) {
    const counted = tallies.get(number) ?? { kept: 0, bytes: 0 };
    if (counted.kept !== kept || counted.bytes !== bytes) wrong++;
    tallies.delete(number);
  }
  wrong += tallies.size;
  const faults = wrong === 0 ? [] : [`${count(wrong, "channel")} with wrong counts of messages`];
  if (expected !== indexed(database)) faults.push("The search index does not match the messages.");
  return faults;
}

/** A sum over all words of the index, in whatever order they are; undefined if it cannot be read. */
function indexed(database: Database): bigint | undefined {
  try {
    return sumOfWords(database);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function sumOfWords(database: Database): bigint {
  database.run("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)");
  using terms = database.prepare<{ term: string; cnt: number }, []>(
    "SELECT term, cnt FROM temp.vocabulary",
  );
  let sum = 0n;
  for (const { term, cnt } of terms.iterate()) sum += hash(term) * BigInt(cnt);
  return sum;
}

function hash(word: string): bigint {
  // A long word may have been cut within a character.
  return Bun.hash.wyhash(word.toWellFormed());
}

function contentsOf(database: Database, path: string): string {
  const free = pragma(database, "freelist_count") * pragma(database, "page_size");
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const tables = database
    .query<{ name: string; bytes: number }, []>(
      `SELECT iif(name GLOB 'words_*', 'words (search index)', name) AS name, sum(pgsize) AS bytes
       FROM dbstat WHERE aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC LIMIT 5`,
    )
    .all();
  const channels = database
    .query<{ channel: string; kept: number; bytes: number }, []>(
      "SELECT channel, kept, bytes FROM channels ORDER BY bytes DESC LIMIT 10",
    )
    .all();
  const lines = [
    `${path}: ${size(statSync(path).size)}, of which ${size(free)} are free; ${size(log)} of log`,
    ...tables.map(({ name, bytes }) => `${size(bytes).padStart(12)}  ${name}`),
    "The largest channels:",
    ...channels.map(({ channel, kept, bytes }) => {
      return `${size(bytes).padStart(12)}  ${channel} (${count(kept, "message")})`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** What the settings would delete. */
function doomed(database: Database, { config, now }: Task): string {
  const { limit, ttl, age, size: most } = retentionOf({ rules: rulesOf(config) });
  const one = (sql: string, value: number) =>
    database.query<{ many: number }, [number]>(sql).get(value)!.many;
  const over = one(
    "SELECT coalesce(sum(kept - ?1), 0) AS many FROM channels WHERE kept > ?1",
    limit,
  );
  const old = one("SELECT count(*) AS many FROM messages WHERE timestamp < ?", now - age);
  const unused = one("SELECT count(*) AS many FROM channels WHERE used < ?", now - ttl);
  const above = sizeOf(database) - most;
  const lines = [
    over > 0 ? `${count(over, "message")} above HISTORY_LIMIT` : [],
    age > 0 && old > 0 ? `${count(old, "message")} older than HISTORY_AGE` : [],
    ttl > 0 && unused > 0 ? `${count(unused, "channel")} unused for HISTORY_TTL` : [],
    most > 0 && above > 0 ? `${size(above)} above DATABASE_SIZE` : [],
  ].flat();
  if (lines.length === 0) return "The settings delete nothing.\n";
  return `The settings delete:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
