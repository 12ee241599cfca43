import type { Database } from "bun:sqlite";
import {
  isFull,
  open,
  type OpenDatabase,
  read,
  refsSince,
  writeRef,
  writeVersion,
} from "./database.ts";
import { GONE } from "./file.ts";
import type { Batch, Order, Reply } from "./orders.ts";

/**
 * The thread that writes the database, so that the event loop never waits for a disk. It receives
 * batches, each of which is one transaction: all of it is on the disk, or nothing.
 */

/**
 * Writes a batch, which is one transaction, and says what became of it. An empty one only looks
 * whether the file is still there.
 * @param now seconds since the epoch
 */
export function write({ database, file }: OpenDatabase, batch: Batch, now: number): Reply {
  const gone = { done: "failed", reason: GONE, broken: false } as const;
  if (!file.isThere()) return { ...gone, fault: "unavailable" };
  if (isEmpty(batch)) return { done: "write" };
  let committing = false;
  try {
    database.run("BEGIN IMMEDIATE");
    insert(database, batch, now);
    committing = true;
    database.run("COMMIT");
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

function openedReply({ database, shared, failure }: OpenDatabase, now: number): Reply {
  return { done: "open", contents: read(database, now), shared, failure };
}

function isEmpty({ messages, names, drops, probe }: Batch): boolean {
  return messages.length + names.length + drops.length === 0 && !probe;
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

/** The database caches the statements, and finalizes them when it is closed. */
function insert(database: Database, batch: Batch, now: number): void {
  const message = database.query("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)");
  const channel = database.query("INSERT OR REPLACE INTO channels VALUES (?, ?)");
  const oldRefs = database.query("DELETE FROM refs WHERE timestamp < ?");
  const name = database.query("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?)");
  const noName = database.query("DELETE FROM names WHERE channel = ? AND key = ?");
  const drop = database.query("DELETE FROM messages WHERE channel = ? AND id <= ?");
  const forget = database.query("DELETE FROM channels WHERE channel = ? AND last <= ?");
  const forgotten = database.query("UPDATE meta SET forgotten = max(forgotten, ?)");

  if (batch.probe) writeVersion(database);
  for (const one of batch.drops) {
    drop.run(one.channel, one.upTo);
    if (!one.forgotten) continue;
    forget.run(one.channel, one.upTo);
    forgotten.run(one.upTo);
  }
  const lasts = new Map<string, number>();
  for (const one of batch.messages) {
    if (batch.keeps) {
      message.run(one.channel, one.id, one.prev, one.text, one.user, one.timestamp);
    }
    lasts.set(one.channel, one.id);
  }
  for (const [id, last] of lasts) channel.run(id, last);
  for (const one of batch.refs) writeRef(database, one);
  if (batch.refs.length > 0) oldRefs.run(refsSince(now));
  for (const { channel: id, key, row } of batch.names) {
    if (row === undefined) noName.run(id, key);
    else name.run(id, key, row.shown, row.session, row.since);
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  return code === "SQLITE_BUSY" ? "another process uses it" : message;
}

declare const self: Worker;

/** Answers each order with one reply, in turn. */
function serve(): void {
  let opened: OpenDatabase | undefined;

  function obey(order: Order): Reply {
    switch (order.do) {
      case "open":
        opened = open(order.path, order.now);
        return openedReply(opened, order.now);
      case "write":
        return write(opened!, order.batch, order.now);
      case "close":
        opened?.database.close();
        return { done: "close" };
    }
  }

  self.onmessage = ({ data }: MessageEvent<Order>) => {
    try {
      postMessage(obey(data));
    } catch (error) {
      const reply: Reply = { done: "refused", reason: reasonOf(error) };
      postMessage(reply);
    }
  };
}

if (!Bun.isMainThread) serve();
