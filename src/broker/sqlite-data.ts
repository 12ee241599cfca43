import type { Clock, PublishFault } from "./broker.ts";
import { createHistory } from "./history.ts";
import { type BrokerRules, createMemoryData, type MemoryData } from "./memory.ts";
import { createNames, type Hold } from "./names.ts";
import { createRefs, type Posted, WINDOW } from "./refs.ts";
import type { Contents, NameChange, Order, Reply } from "./sqlite-worker.ts";
import type { Message } from "../protocol/encode.ts";

/** What the SQLite broker knows, and how it is read from the file at the start. */

/** A message on its way to the disk. */
export interface Post {
  readonly channel: string;
  readonly message: Message;
  /** How it is known to be the same, where it was posted with a ref. */
  readonly ref: Posted | undefined;
  readonly bytes: number;
  readonly settle: (answer: number | PublishFault) => void;
}

/** What goes to the disk in one batch. */
export interface Load {
  readonly posts: Post[];
  /** By channel and key. */
  readonly names: Map<string, NameChange>;
  /** Channels whose messages up to an id are no longer kept, or that are forgotten altogether. */
  readonly drops: Map<string, { readonly upTo: number; readonly forgotten: boolean }>;
}

/** Plain data, and the thread that writes, so that they survive a reload of the code. */
export interface SqliteData extends MemoryData {
  readonly worker: Worker;
  waiting: Load;
  writing: Load | undefined;
  /** The last id given in each channel that has posts under way. */
  readonly tails: Map<string, number>;
  /** What comes of each post with a ref that is under way, by channel and id. */
  readonly answers: Map<string, Promise<number | PublishFault>>;
  /** Bytes of all posts under way. */
  bytes: number;
  /** Whether the last batch failed. */
  failing: boolean;
  /** Whether names are in the file as they were before, since a batch with some has failed. */
  namesMissed: boolean;
  /** When the last batch was handed over, in milliseconds since the process began. */
  handedAt: number;
}

export function newLoad(): Load {
  return { posts: [], names: new Map(), drops: new Map() };
}

/**
 * Opens the database, or makes it, and reads what it holds.
 *
 * @throws with a sentence where it can not be used: no database, of a newer version, read-only, in
 *   use by another process, a full disk
 */
export async function openSqlite(
  path: string,
  rules: BrokerRules,
  clock: Clock,
): Promise<SqliteData> {
  const worker = new Worker(new URL("./sqlite-worker.ts", import.meta.url).href);
  const reply = await new Promise<Reply>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => resolve(data);
    worker.onerror = ({ message }) => resolve({ done: "failed", reason: message });
    worker.postMessage({ do: "open", path, refsSince: refsSince(clock) } satisfies Order);
  });
  if (reply.done !== "open") {
    worker.terminate();
    const reason = reply.done === "failed" ? reply.reason : "its thread does not answer";
    throw new Error(`DATABASE ${path} can not be used: ${reason}.`);
  }
  const data: SqliteData = {
    ...createMemoryData(reply.contents.forgotten),
    secret: reply.contents.secret,
    worker,
    waiting: newLoad(),
    writing: undefined,
    tails: new Map(),
    answers: new Map(),
    bytes: 0,
    failing: false,
    namesMissed: false,
    handedAt: 0,
  };
  restore(data, reply.contents, rules, clock);
  return data;
}

/** Goes on from what is in the file. All connections of the life before are gone. */
function restore(data: SqliteData, contents: Contents, rules: BrokerRules, clock: Clock): void {
  const now = clock();
  const history = createHistory(data.history, rules.history, clock, noteDrop(data));
  for (const { channel, last, messages } of contents.channels) {
    history.restore(channel, last, messages);
  }
  const refs = createRefs(data.refs, clock);
  for (const row of contents.refs) refs.note(row);
  const names = createNames(data.names, rules.names, clock, { presence() {}, replaced() {} });
  const { grace, heldFor } = rules.names;
  const rows = contents.names.map((row) => ({ ...row, until: row.until || now + grace }));
  for (const row of rows.toSorted((a, b) => a.until - b.until)) {
    const { channel, key, ...hold } = row;
    const lives = hold.until > now && now - hold.since >= heldFor;
    if (!lives || !names.restore(channel, key, hold)) noteName(data, channel, key);
  }
}

export function refsSince(clock: Clock): number {
  return (clock() - WINDOW.ms) * 1000;
}

/** Notes that a name is held or kept, or, without a hold, free. */
export function noteName(data: SqliteData, channel: string, key: string, hold?: Hold): void {
  // All of them are going to be written anyway.
  if (data.namesMissed) return;
  // Neither a channel nor a key has a line break in it.
  data.waiting.names.set(`${channel}\n${key}`, nameChange(channel, key, hold));
}

/** Every name of a session, held or kept. */
export function allNames({ names }: SqliteData): NameChange[] {
  return Array.from(names.rooms).flatMap(([channel, { holds }]) =>
    Array.from(holds)
      .filter(([, { session }]) => session !== undefined)
      .map(([key, hold]) => nameChange(channel, key, hold)),
  );
}

function nameChange(channel: string, key: string, hold: Hold | undefined): NameChange {
  const { shown = "", session = "", since = 0, until = 0 } = hold ?? {};
  return { channel, key, row: hold && { channel, key, shown, session, since, until } };
}

export function noteDrop(data: SqliteData) {
  return (channel: string, upTo: number, forgotten: boolean) => {
    const before = data.waiting.drops.get(channel);
    data.waiting.drops.set(channel, { upTo, forgotten: forgotten || before?.forgotten === true });
  };
}
