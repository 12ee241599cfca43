import type { Log } from "../../log.ts";
import type { Message } from "../../protocol/encode.ts";
import type { BrokerOptions, BrokerStatus, Draft, PublishAnswer } from "../broker.ts";
import { History } from "../memory/history.ts";
import { createMemoryData, type MemoryData } from "../memory/memory.ts";
import { type Hold, Names } from "../memory/names.ts";
import { Refs } from "../memory/refs.ts";
import { RESTORED } from "../memory/shares.ts";
import type { SharedFile } from "./file.ts";
import type { Contents, NameChange, NameRow, Order, Ref, Reply } from "./orders.ts";

/** What the SQLite broker knows, and how it is read from the file at the start. */

/** A message on its way to the disk. */
export interface Post {
  readonly channel: string;
  readonly message: Message;
  /** How it is recognized as the same, if it was posted with a ref. */
  readonly ref: Ref | undefined;
  readonly bytes: number;
  /** Those who wait for it: the one who posted it, and those who posted it again meanwhile. */
  readonly waiting: { readonly draft: Draft; readonly answer: PublishAnswer }[];
}

export function settle({ waiting }: Post, answer: Parameters<PublishAnswer>[0]): void {
  for (const one of waiting) one.answer(answer, one.draft);
}

/** What goes to the disk in one batch. */
export interface Batch {
  readonly posts: Post[];
  /** By channel and key. */
  readonly names: Map<string, NameChange>;
  /** Channels whose messages up to an id are no longer kept, or that are forgotten altogether. */
  readonly drops: Map<string, { readonly upTo: number; readonly forgotten: boolean }>;
}

export interface SqliteOptions extends BrokerOptions {
  readonly log: Log;
}

/** Plain data, and the thread that writes, so that they survive a reload of the code. */
export interface SqliteData extends MemoryData {
  readonly worker: Worker;
  /** What gathers for the next batch, and the batch that is being written. */
  gathered: Batch;
  writing: Batch | undefined;
  /** The last id given in each channel that has posts under way. */
  readonly tails: Map<string, number>;
  /** The posts with a ref that are under way, by channel and id. */
  readonly underWay: Map<string, Post>;
  /** Bytes of all posts under way. */
  bytes: number;
  /** What became of the last batch. */
  status: BrokerStatus;
  /** When the last batch was handed over, in milliseconds since the process began. */
  writtenAt: number;
}

export const READY: BrokerStatus = { state: "ready" };

export function newBatch(): Batch {
  return { posts: [], names: new Map(), drops: new Map() };
}

/**
 * Opens the database, or makes it, and reads what it holds.
 *
 * @throws with a sentence if it cannot be used: not a database, of a newer version, read-only, in use
 *   by another process, or a new file or one of an older version on a full disk
 */
export async function openFile(path: string, options: SqliteOptions): Promise<SqliteData> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
  const reply = await new Promise<Reply>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => resolve(data);
    worker.onerror = ({ message }) => resolve({ done: "refused", reason: message });
    worker.postMessage({ do: "open", path, now: secondsOf(options) } satisfies Order);
  });
  if (reply.done !== "open") {
    worker.terminate();
    const reason = reply.done === "refused" ? reply.reason : "its thread does not answer";
    throw new Error(`DATABASE ${path} cannot be used: ${reason}.`);
  }
  const { contents, shared, failure } = reply;
  for (const file of shared) warnOf(file, options.log);
  if (failure !== undefined) logFailure(options.log, failure);
  const data: SqliteData = {
    ...createMemoryData(contents.secret, contents.forgotten),
    worker,
    gathered: newBatch(),
    writing: undefined,
    tails: new Map(),
    underWay: new Map(),
    bytes: 0,
    status: failure === undefined ? READY : { state: "failing", reason: failure },
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
  const onDrop = (channel: string, upTo: number, forgotten: boolean) =>
    noteDrop(data.gathered, channel, upTo, forgotten);
  const history = new History(data.history, { ...options, onDrop });
  for (const { channel, last, messages } of contents.channels) {
    history.restore(channel, last, messages);
  }
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

function secondsOf({ date }: BrokerOptions): number {
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

/** What gathers again after a batch that failed: names and drops, but no posts. */
export function gatherAgain(failed: Batch, gathered: Batch): Batch {
  const names = new Map([...failed.names, ...gathered.names]);
  const again = { ...newBatch(), names };
  for (const { drops } of [failed, gathered]) {
    for (const [channel, { upTo, forgotten }] of drops) noteDrop(again, channel, upTo, forgotten);
  }
  return again;
}

/** What the thread is to write. */
export function orderFor(data: SqliteData, batch: Batch, options: BrokerOptions): Order {
  const { posts, names, drops } = batch;
  return {
    do: "write",
    batch: {
      messages: posts.map(({ channel, message }) => ({ channel, ...message })),
      keeps: options.rules.history.limit > 0,
      refs: posts.flatMap(({ ref }) => ref ?? []),
      names: [...names.values()],
      drops: Array.from(drops, ([channel, drop]) => ({ channel, ...drop })),
      probe: data.status.state !== "ready",
    },
    now: secondsOf(options),
  };
}

/** Notes that messages up to an id are gone, and whether all of the channel is. */
export function noteDrop(
  { drops }: Batch,
  channel: string,
  upTo: number,
  forgotten: boolean,
): void {
  const before = drops.get(channel);
  drops.set(channel, { upTo, forgotten: forgotten || before?.forgotten === true });
}
