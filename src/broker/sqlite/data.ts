import { resolve } from "node:path";
import type { Log } from "../../log.ts";
import type { Message } from "../../protocol/encode.ts";
import type { BrokerOptions, BrokerStatus, Draft, PublishAnswer } from "../broker.ts";
import { createLocalData, type LocalData } from "../memory/local.ts";
import { type Hold, Names } from "../memory/names.ts";
import { Refs } from "../memory/refs.ts";
import { RESTORED } from "../memory/shares.ts";
import { COPY_KEPT } from "./copies.ts";
import type { SharedFile } from "./file.ts";
import { createReaderData, type ReaderData } from "./reader.ts";
import { createTailsData, type TailsData } from "./tails.ts";
import type { Contents, NameChange, NameRow, Order, Ref, Reply, Retention } from "./orders.ts";
import { retentionAfter } from "./retention.ts";

/** What the SQLite broker knows, and how it is read from the file at the start. */

/** A message on its way to the disk. */
export interface Post {
  readonly channel: string;
  readonly message: Message;
  /** Stands for its author's network; see {@link networkKey}. */
  readonly network: string | undefined;
  /** How it is recognized as the same, if it was posted with a ref. */
  readonly ref: Ref | undefined;
  readonly bytes: number;
  /** Those who wait for it: the one who posted it, and those who posted it again meanwhile. */
  readonly waiting: { readonly draft: Draft; readonly answer: PublishAnswer }[];
}

/** How the removal of a message is found while it is under way. */
export function removalKey(channel: string, id: number): string {
  return `${channel}\ndeletes ${id}`;
}

/** A channel whose newest messages are on their way from the file, also over a reload of the code. */
export interface Load {
  /** Whether a message was written meanwhile, so that what was read is not the newest. */
  stale: boolean;
  /** Whether the file could not be read. Then it is tried again. */
  failed: boolean;
  readonly then: Waiting[];
}

export interface Waiting {
  readonly run: () => void;
  /** Runs if the file cannot be read; without it, that is tried again. */
  readonly fail: (() => void) | undefined;
}

export function settle({ waiting }: Post, answer: Parameters<PublishAnswer>[0]): void {
  for (const one of waiting) one.answer(answer, one.draft);
}

/** What goes to the disk in one batch. */
export interface Batch {
  readonly posts: Post[];
  /** By channel and key. */
  readonly names: Map<string, NameChange>;
}

export interface SqliteOptions extends BrokerOptions {
  readonly log: Log;
}

/** Plain data, and the thread that writes, so that they survive a reload of the code. */
export interface SqliteData extends LocalData {
  readonly worker: Worker;
  readonly reader: ReaderData;
  /** What gathers for the next batch, and the batch that is being written. */
  gathered: Batch;
  writing: Batch | undefined;
  /** The newest messages, in memory. */
  readonly tails: TailsData;
  /** What is on its way there from the file, by channel. */
  readonly loads: Map<string, Load>;
  /** The last id given in each channel that has posts under way. */
  readonly given: Map<string, number>;
  /** The posts with a ref that are under way, by channel and id; removals, by what they remove. */
  readonly underWay: Map<string, Post>;
  /** Bytes of all posts under way. */
  bytes: number;
  /** What became of the last batch. */
  status: BrokerStatus;
  /** What the file keeps to, and since when it is less than the server before this one kept. */
  retention: Retention;
  loweredAt: number | undefined;
  /** Since when channels have been empty, in milliseconds, the earliest first; with a TTL only. */
  readonly left: Map<string, number>;
  /** When the last batch was handed over, in milliseconds since the process began. */
  writtenAt: number;
}

export const READY: BrokerStatus = { state: "ready" };

export function newBatch(): Batch {
  return { posts: [], names: new Map() };
}

/**
 * Opens the database, or makes it, and reads what it holds.
 *
 * @throws with a sentence if it cannot be used: not a database, of a newer version, read-only, in use
 *   by another process, or a new file or one of an older version on a full disk
 */
export async function openFile(path: string, options: SqliteOptions): Promise<SqliteData> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
  const reply = await new Promise<Reply>((then) => {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => then(data);
    worker.onerror = ({ message }) => then({ done: "refused", reason: message });
    worker.postMessage({ do: "open", path, now: secondsOf(options) } satisfies Order);
  });
  if (reply.done !== "open") {
    worker.terminate();
    const reason = reply.done === "refused" ? reply.reason : "its thread does not answer";
    throw new Error(`DATABASE ${path} cannot be used: ${reason}.`);
  }
  const { contents, shares, shared, migrated, failure } = reply;
  for (const file of shared) warnOf(file, options.log);
  if (migrated !== undefined) {
    const on = new Date(options.date() + COPY_KEPT * 1000).toISOString().slice(0, 10);
    options.log.info("database migrated", { ...migrated, advice: `the copy is deleted on ${on}` });
  }
  if (failure !== undefined) logFailure(options.log, failure);
  const data: SqliteData = {
    ...createLocalData(contents.secret),
    tails: createTailsData(contents.forgotten),
    worker,
    reader: createReaderData(resolve(path), shares ? undefined : worker),
    gathered: newBatch(),
    writing: undefined,
    loads: new Map(),
    given: new Map(),
    underWay: new Map(),
    bytes: 0,
    status: failure === undefined ? READY : { state: "failing", reason: failure },
    ...retentionAfter(contents.before, options),
    left: new Map(),
    writtenAt: 0,
  };
  restore(data, contents, options);
  return data;
}

function warnOf({ path, mode, isPrivate }: SharedFile, log: Log): void {
  const advice = isPrivate
    ? "its mode is 0600 now; others may have read the key in it, which signs sessions"
    : "set its mode to 0600, since it holds the key that signs sessions";
  log.warn("database can be read by others", { path, mode, advice });
}

export function logFailure(log: Log, reason: string): void {
  log.error("database failed, messages are refused", { reason });
}

/** Goes on from what is in the file. All connections of the life before are gone. */
function restore(data: SqliteData, contents: Contents, options: BrokerOptions): void {
  const refs = new Refs(data.refs, options.clock);
  const date = options.date();
  for (const row of contents.refs) {
    refs.note(row, RESTORED, Math.max(0, date - row.timestamp * 1000));
  }
  const names = new Names(data.names, { ...options, events: { presence() {}, evicted() {} } });
  for (const { channel, key, shown, session, since } of contents.names) {
    // If the date has stepped back, nobody knows how long it was held.
    const age = since > date ? options.rules.names.heldFor : date - since;
    const hold = { shown, session, holder: undefined, since: options.clock() - age };
    if (!names.restore(channel, key, hold)) noteName(data.gathered, { channel, key });
  }
}

export function secondsOf({ date }: BrokerOptions): number {
  return Math.floor(date() / 1000);
}

/** How a hold stands in the file: there times are since the epoch. */
export function rowOf({ shown, session = "", since }: Hold, options: BrokerOptions): NameRow {
  return { shown, session, since: Math.round(options.date() - options.clock() + since) };
}

/**
 * Changes of names that gather while the disk is full. Beyond it they are dropped: at worst a name is
 * not kept for its session over a restart.
 */
const NAMES_MOST = 10_000;

/** Notes that a name is held or, without a row, free. */
export function noteName({ names }: Batch, change: NameChange): void {
  // Neither a channel nor a key has a line break in it.
  const place = `${change.channel}\n${change.key}`;
  if (names.size < NAMES_MOST || names.has(place)) names.set(place, change);
}

/** What gathers again after a batch that failed: names, but no posts. */
export function gatherAgain(failed: Batch, gathered: Batch): Batch {
  return { ...newBatch(), names: new Map([...failed.names, ...gathered.names]) };
}

/** What the thread is to write. */
export function orderFor(data: SqliteData, batch: Batch, options: BrokerOptions): Order {
  const { posts, names } = batch;
  return {
    do: "write",
    batch: {
      messages: posts.map(({ channel, message, network }) => ({ channel, ...message, network })),
      refs: posts.flatMap(({ ref }) => ref ?? []),
      names: [...names.values()],
      probe: data.status.state !== "ready",
    },
    retention: data.retention,
    now: secondsOf(options),
  };
}
