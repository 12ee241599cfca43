import type { Database } from "bun:sqlite";
import { hashOf } from "../memory/refs.ts";
import type { Posted } from "../memory/refs.ts";
import { recount } from "./tally.ts";

/** The schema of the database, and the steps that older files take to it. */

/** Marks the file as Shoal's own (SQLite's application_id): "Shol". */
export const APPLICATION = 0x53686f6c;

type Step = string | ((database: Database) => void);

/**
 * The steps from each version of the schema to the next; the version is the number of steps taken.
 * Texts and users are JSON string literals, since SQLite cannot hold a lone surrogate.
 */
export const STEPS: readonly Step[] = [
  `CREATE TABLE meta (secret BLOB NOT NULL, forgotten INTEGER NOT NULL);
   INSERT INTO meta VALUES (randomblob(32), 0);
   CREATE TABLE channels (channel TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE messages (
     channel TEXT NOT NULL, id INTEGER NOT NULL, prev INTEGER NOT NULL,
     text TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (channel, id)) WITHOUT ROWID;
   CREATE TABLE refs (
     channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL,
     id INTEGER NOT NULL, hash INTEGER NOT NULL,
     PRIMARY KEY (channel, session, ref)) WITHOUT ROWID;
   CREATE INDEX refs_by_age ON refs (id);
   CREATE TABLE names (
     channel TEXT NOT NULL, key TEXT NOT NULL, shown TEXT NOT NULL, session TEXT NOT NULL,
     since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (channel, key)) WITHOUT ROWID;`,
  widenHashes,
  `ALTER TABLE messages ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0;
   UPDATE messages SET timestamp = id / 1000000;
   ALTER TABLE refs ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0;
   UPDATE refs SET timestamp = id / 1000000;
   DROP INDEX refs_by_age;
   CREATE INDEX refs_by_age ON refs (timestamp);
   ALTER TABLE names DROP COLUMN until;`,
  keepForGood,
];

/**
 * Gives refs the 64-bit hashes of their texts, in hexadecimal, in place of hashes of 32 bits. Where
 * the message is no longer kept, there is no text, and the ref is forgotten. What clients send again
 * after a restart is the newest, which is kept.
 */
function widenHashes(database: Database): void {
  const refs = database.prepare<Omit<Posted, "hash"> & { text: string }, []>(
    "SELECT channel, session, ref, id, text FROM refs JOIN messages USING (channel, id)",
  );
  const rows = refs.all();
  refs.finalize();
  database.run(
    `DROP TABLE refs;
     CREATE TABLE refs (
       channel TEXT NOT NULL, session TEXT NOT NULL, ref TEXT NOT NULL,
       id INTEGER NOT NULL, hash TEXT NOT NULL,
       PRIMARY KEY (channel, session, ref)) WITHOUT ROWID;
     CREATE INDEX refs_by_age ON refs (id);`,
  );
  const insert = database.prepare("INSERT INTO refs VALUES (?, ?, ?, ?, ?)");
  for (const { channel, session, ref, id, text } of rows) {
    insert.run(channel, session, ref, id, hashOf(text).toString(16));
  }
  insert.finalize();
}

/**
 * Makes the file the history, and no longer a copy of what memory holds. Messages stand in the order
 * in which they were said (`place`), so that the oldest of all are found without an index. A channel
 * has a number that no other gets after it, since it stands in the index and while a page is read. It
 * counts what is kept of it, and is charged to one network; see accounts.ts. `words` is the index of
 * the texts; it has no copy of them.
 */
function keepForGood(database: Database): void {
  database.run(
    `ALTER TABLE channels RENAME TO old_channels;
     ALTER TABLE messages RENAME TO old_messages;
     ALTER TABLE meta ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
     CREATE TABLE channels (
       number INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL UNIQUE, last INTEGER NOT NULL,
       kept INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
       owner TEXT, votes INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0);
     CREATE TABLE messages (
       place INTEGER PRIMARY KEY, channel INTEGER NOT NULL, id INTEGER NOT NULL,
       prev INTEGER NOT NULL, timestamp INTEGER NOT NULL, text TEXT NOT NULL, user TEXT NOT NULL,
       session TEXT, network TEXT, deletes INTEGER);
     CREATE UNIQUE INDEX messages_by_id ON messages (channel, id);
     CREATE VIRTUAL TABLE words USING fts5(entry, content='', tokenize="ascii tokenchars '_@'");
     INSERT INTO channels (channel, last) SELECT channel, last FROM old_channels ORDER BY last;
     INSERT INTO messages
       SELECT NULL, number, id, prev, timestamp, text, user, NULL, NULL, NULL
       FROM old_messages JOIN channels USING (channel) ORDER BY id;
     UPDATE channels SET used = coalesce(
       (SELECT max(timestamp) FROM messages WHERE messages.channel = number), 0);
     DROP TABLE old_messages;
     DROP TABLE old_channels;`,
  );
  recount(database);
}
