import type { Database } from "bun:sqlite";
import { type OpenDatabase, pragma } from "./database.ts";
import type { Drop, Expired, Reply, Retention } from "./orders.ts";
import { drop, dropOldest, STEP, STORED, type Stored, Touched } from "./write.ts";

/** What leaves the database, in steps that are short enough for the messages that wait behind them. */

/**
 * Lets go of what has to go, a few milliseconds' worth at a time.
 * @returns what has left, as memory may still hold it, how many of those that are being forgotten are
 *   gone, and which channels seem to be unused
 */
export function expire(
  opened: OpenDatabase,
  { limit, ttl, age, size }: Retention,
  now: number,
): Omit<Reply & { done: "expire" }, "done" | "written" | "copies"> & {
  readonly forgotten: number;
} {
  const { database, forgetting } = opened;
  const drops: Drop[] = [];
  const touched = new Touched(database);
  const dropFrom = (name: string, count: number) => {
    const upTo = dropOldest(database, touched.channel(name), count);
    if (upTo > 0) drops.push({ channel: name, upTo, forgotten: false });
  };
  if (limit < Infinity) {
    for (const { channel, over } of overLimit(database, limit)) {
      dropFrom(channel, Math.min(over, STEP));
    }
  }
  if (age > 0) for (const { channel, old } of tooOld(database, now - age)) dropFrom(channel, old);
  if (size > 0 && sizeOf(database) > size) {
    for (const channel of largestShare(database)) dropFrom(channel, STEP);
  }
  touched.write();
  let forgotten = 0;
  for (let room = STEP; room > 0 && forgotten < forgetting.length;) {
    const { channel, upTo } = forgetting[forgotten]!;
    const [dropped, drop] = forget(database, channel, upTo, room);
    room -= dropped + 1;
    if (drop === undefined) continue;
    drops.push(drop);
    forgotten++;
  }
  database.run(`PRAGMA incremental_vacuum(${STEP})`);
  const more = drops.length + forgetting.length > 0;
  return { drops, more, forgotten, unused: ttl > 0 ? unused(database, now - ttl, now) : [] };
}

/** Channels with more messages than the limit, which was higher before. */
function overLimit(database: Database, limit: number) {
  return database
    .query<{ channel: string; over: number }, [number, number]>(
      "SELECT channel, kept - ? AS over FROM channels WHERE kept > ? LIMIT 5",
    )
    .all(limit, limit);
}

/** The channels of the oldest messages, and how many of them are too old. */
function tooOld(database: Database, before: number) {
  return database
    .query<{ channel: string; old: number }, [number, number]>(
      `SELECT channels.channel AS channel, count(*) AS old FROM
         (SELECT channel, timestamp FROM messages ORDER BY place LIMIT ?) AS oldest
         JOIN channels ON number = oldest.channel
       WHERE oldest.timestamp < ? GROUP BY number`,
    )
    .all(STEP, before);
}

/** Bytes of the file that are in use. */
export function sizeOf(database: Database): number {
  const pages = pragma(database, "page_count") - pragma(database, "freelist_count");
  return pages * pragma(database, "page_size");
}

/** The largest channels of the network whose channels take the most. */
function largestShare(database: Database): string[] {
  return database
    .query<{ channel: string }, []>(
      `SELECT channel FROM channels WHERE kept > 0 AND owner IS (
         SELECT owner FROM channels GROUP BY owner ORDER BY sum(bytes) DESC LIMIT 1)
       ORDER BY bytes DESC LIMIT 5`,
    )
    .all()
    .map(({ channel }) => channel);
}

/** Some channels in which nothing was said for too long. Somebody may be in them. */
function unused(database: Database, before: number, now: number): Expired[] {
  const rows = database
    .query<Expired, [number]>("SELECT channel, last AS upTo FROM channels WHERE used < ? LIMIT 50")
    .all(before);
  // Not again for a while, in use or not.
  const use = database.query("UPDATE channels SET used = ? WHERE channel = ?");
  for (const { channel } of rows) use.run(now, channel);
  return rows;
}

/**
 * Forgets a channel up to an id.
 * @returns how many messages were dropped, and what is gone once that is all
 */
function forget(
  database: Database,
  name: string,
  upTo: number,
  most: number,
): [number, Drop | undefined] {
  const touched = new Touched(database);
  const channel = touched.channel(name);
  const rows = database
    .query<Stored, [number, number, number]>(
      `${STORED} WHERE channel = ? AND id <= ? ORDER BY id LIMIT ?`,
    )
    .all(channel.number, upTo, most);
  for (const row of rows) drop(database, channel, row);
  touched.write();
  if (rows.length === most) return [most, undefined];
  const gone = channel.last <= upTo;
  if (gone) database.query("DELETE FROM channels WHERE number = ?").run(channel.number);
  database.query("UPDATE meta SET forgotten = max(forgotten, ?)").run(upTo);
  return [rows.length, { channel: name, upTo, forgotten: gone }];
}
