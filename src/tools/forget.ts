import type { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import { createSessions } from "../auth/sessions.ts";
import { copiesOf } from "../broker/sqlite/copies.ts";
import { type Indexed, unindexMessage } from "../broker/sqlite/index-words.ts";
import { channelOf } from "../protocol/channels.ts";
import { REMOVED } from "../protocol/encode.ts";
import { keyOf } from "../protocol/text.ts";
import { openToRead, change, count, type Fault, type Task } from "./task.ts";

/** `shoal forget`: deletes for good what somebody said. */

/** Which messages are meant: a condition in SQL with the parameters ?1 and ?2. */
interface Meant {
  readonly where: string;
  readonly values: [string, string | null];
}

export async function forget(task: Task): Promise<Fault | undefined> {
  const { path, options, write } = task;
  if ((options.name === undefined) === (options.session === undefined)) {
    return { status: 2, reason: "Give either --name or --session." };
  }
  const found = find(task);
  if (found === undefined) return { status: 2, reason: "This is not a session of this DATABASE." };
  const copies = copiesOf(path);
  await write(found.summary);
  for (const copy of copies) await write(`A migration left ${copy}, which is deleted as well.\n`);
  if (options.yes !== true) {
    return void (await write("Nothing has been deleted yet. Add --yes to delete this for good.\n"));
  }
  const isLogEmpty = change(task, (database) => empty(database, found.meant));
  for (const copy of copies) rmSync(copy);
  if (isLogEmpty) return void (await write("Deleted.\n"));
  const where = `${path}-wal has the texts until you run this again or start the server`;
  return { status: 1, reason: `Deleted, but another process is reading DATABASE: ${where}.` };
}

/** @returns undefined if the session is not one of this database */
function find({ path, options }: Task): { meant: Meant; summary: string } | undefined {
  using database = openToRead(path);
  const { name, session, channel } = options as Record<string, string | undefined>;
  const within = channel === undefined ? undefined : channelOf(channel);
  const only = within === undefined ? null : "id" in within ? within.id : "";
  const id = session === undefined ? "" : idOf(database, session);
  if (id === undefined) return undefined;
  const meant = name === undefined ? saidIn(id, only) : saidAs(database, name, only);
  return { meant, summary: summaryOf(database, meant) };
}

const WITHIN = `text <> '${REMOVED}' AND (?2 IS NULL OR
  channel = (SELECT number FROM channels WHERE channels.channel = ?2))`;

function saidIn(session: string, channel: string | null): Meant {
  return { where: `${WITHIN} AND session = ?1`, values: [session, channel] };
}

/** All spellings of a name are one. */
function saidAs(database: Database, name: string, channel: string | null): Meant {
  const key = keyOf(name.normalize("NFKC"));
  const users = database
    .query<{ user: string }, []>("SELECT DISTINCT user FROM messages")
    .all()
    .filter(({ user }) => keyOf(JSON.parse(user) as string) === key);
  const where = `${WITHIN} AND user IN (SELECT value FROM json_each(?1))`;
  return { where, values: [JSON.stringify(users.map(({ user }) => user)), channel] };
}

/** @param session its id or its token */
function idOf(database: Database, session: string): string | undefined {
  if (/^[\w-]{22}$/.test(session)) return session;
  const { secret } = database.query<{ secret: Uint8Array }, []>("SELECT secret FROM meta").get()!;
  return createSessions(secret).idOf(session);
}

function summaryOf(database: Database, { where, values }: Meant): string {
  const found = database
    .query<{ name: string; many: number }, Meant["values"]>(
      `SELECT channels.channel AS name, many FROM
         (SELECT channel, count(*) AS many FROM messages WHERE ${where} GROUP BY channel) AS found
         JOIN channels ON number = found.channel ORDER BY many DESC`,
    )
    .all(...values);
  const all = found.reduce((sum, { many }) => sum + many, 0);
  const lines = found
    .slice(0, 10)
    .map(({ name, many }) => `  ${many.toLocaleString("en")} in ${name}\n`);
  return `${count(all, "message")} in ${count(found.length, "channel")}\n${lines.join("")}`;
}

/** Takes the texts out of the messages, which keep their places, and their words out of the index. */
function empty(database: Database, { where, values }: Meant): void {
  const page = database.query<Indexed, [...Meant["values"], number]>(
    `SELECT place, channel, text, user FROM messages WHERE ${where} AND place > ?3 ORDER BY place LIMIT 1000`,
  );
  const update = database.query(
    `UPDATE messages SET text = '${REMOVED}', session = NULL, network = NULL WHERE place = ?`,
  );
  const less = database.query("UPDATE channels SET bytes = bytes - ? WHERE number = ?");
  for (let rows = page.all(...values, 0); rows.length > 0;) {
    for (const row of rows) {
      unindexMessage(database, row);
      update.run(row.place);
      less.run(row.text.length - REMOVED.length, row.channel);
    }
    rows = page.all(...values, rows.at(-1)!.place);
  }
  // Whoever posts one of them again within minutes is not recognized.
  database.run(
    `DELETE FROM refs WHERE EXISTS (
       SELECT 1 FROM messages JOIN channels ON number = messages.channel
       WHERE channels.channel = refs.channel AND messages.id = refs.id AND text = '${REMOVED}')`,
  );
  // Writes all of the index again, without words that have left it, now or earlier.
  database.run("INSERT INTO words (words) VALUES ('optimize')");
}
