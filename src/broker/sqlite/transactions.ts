import type { Database } from "bun:sqlite";
import { statfsSync } from "node:fs";
import { deleteOldCopies } from "./copies.ts";
import { clearLog, isFull, type OpenDatabase, reasonOf } from "./database.ts";
import { expire } from "./expire.ts";
import { GONE } from "./file.ts";
import type { Batch, Order, Reply } from "./orders.ts";
import { insert } from "./write.ts";

/** What is written is one transaction each time: all of it is on the disk, or nothing. */

type Expiry = Reply & { readonly done: "expire" };
const NOTHING = { done: "expire", written: false, drops: [], unused: [], more: false } as const;
/** Seconds between two looks for old copies. */
const DAY = 24 * 3600;

type Write = Order & { readonly do: "write" };

/**
 * Writes a batch, and says what became of it. An empty one only looks whether the file is still there,
 * and there is room.
 */
export function write(opened: OpenDatabase, { batch, retention, now }: Write): Reply {
  const { database, file } = opened;
  const gone = { done: "failed", reason: GONE, broken: false } as const;
  let committing = false;
  try {
    if (!file.isThere()) return { ...gone, fault: "unavailable" };
    // A removal takes little room, and gives some back.
    const { messages, probe } = batch;
    const needsRoom = messages.length === 0 ? probe : messages.some(({ deletes }) => !deletes);
    const short = needsRoom ? noRoom(opened) : "";
    if (short !== "") return { done: "failed", reason: short, fault: "unavailable", broken: false };
    if (isEmpty(batch)) return { done: "write" };
    database.run("BEGIN IMMEDIATE");
    const removes = insert(database, batch, retention, now);
    committing = true;
    database.run("COMMIT");
    if (removes) opened.uncleared = !clearLog(database);
    if (file.isThere()) return { done: "write" };
    // The broker goes on without the batch, so it must not go on with this file.
    file.giveUp();
    return { ...gone, fault: "unknown" };
  } catch (error) {
    const reason = reasonOf(error);
    const broken = !takeBack(database, batch);
    const unknown = broken || (committing && !isFull(error));
    return { done: "failed", reason, fault: unknown ? "unknown" : "unavailable", broken };
  }
}

/** Lets go of what has to go. What cannot be written now waits for the next time. */
export function expireOnce(
  opened: OpenDatabase,
  { retention, expired, limits, now }: Order & { readonly do: "expire" },
): Expiry {
  const { database, file, forgetting } = opened;
  if (opened.uncleared) opened.uncleared = !clearLog(database);
  forgetting.push(...expired);
  if (!file.isThere()) return { ...NOTHING, copies: [] };
  const copies = oldCopies(opened, now);
  try {
    database.run("BEGIN IMMEDIATE");
    const { forgotten, ...expiry } = expire(opened, retention, now);
    if (limits !== undefined) {
      database.query("UPDATE meta SET limits = ?").run(JSON.stringify(limits));
    }
    database.run("COMMIT");
    forgetting.splice(0, forgotten);
    return { done: "expire", written: true, ...expiry, copies };
  } catch {
    if (database.inTransaction) database.run("ROLLBACK");
    return { ...NOTHING, copies };
  }
}

/** At the start and then once a day, deletes old copies. @returns which */
function oldCopies(opened: OpenDatabase, now: number): readonly string[] {
  if (now - opened.copiesSeen < DAY) return [];
  opened.copiesSeen = now;
  return deleteOldCopies(opened.path, now);
}

function isEmpty({ messages, names, probe }: Batch): boolean {
  return messages.length + names.length === 0 && !probe;
}

/** Less than this of the disk is left for others: bytes, or a share of a small disk. */
const RESERVE = { bytes: 256 * 1024 * 1024, share: 0.05 };

/** Why nothing more should be written, if so. */
function noRoom({ path }: OpenDatabase): string {
  const { bavail, blocks, bsize } = statfsSync(path);
  const reserve = Math.min(RESERVE.bytes, RESERVE.share * blocks * bsize);
  return bavail * bsize < reserve ? "the disk is almost full" : "";
}

/**
 * Ends a transaction that failed. SQLite goes on from before it and writes its next one over it. So
 * even if a restart would find the batch now, it will not find it after the next commit, and
 * whatever follows contradicts neither.
 *
 * @returns whether the database surely goes on from before the batch
 */
function takeBack(database: Database, batch: Batch): boolean {
  try {
    if (database.inTransaction) database.run("ROLLBACK");
    const last = batch.messages.at(-1);
    if (last === undefined) return true;
    const row = database
      .query<{ last: number }, [string]>("SELECT last FROM channels WHERE channel = ?")
      .get(last.channel);
    return row?.last !== last.id;
  } catch {
    // It cannot even be read.
    return false;
  }
}
