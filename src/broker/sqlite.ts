import type { Log } from "../log.ts";
import type { Message } from "../protocol/codec.ts";
import type { Broker, BrokerEvents, Clock, Draft, PublishFault } from "./broker.ts";
import { createHistory, nextId } from "./history.ts";
import { type BrokerRules, createMemoryData, type MemoryData } from "./memory.ts";
import { createNames, type Hold } from "./names.ts";
import { createRefs, hashOf, type Posted, WINDOW } from "./refs.ts";
import type { Contents, NameChange, Order, Reply } from "./sqlite-worker.ts";

/**
 * The broker of one process whose messages, refs and names are in an SQLite file as well. What it
 * answers from is in memory; a message gets there, and to everyone, once its batch is on the disk.
 */

/** A message on its way to the disk. */
interface Post {
  readonly channel: string;
  readonly message: Message;
  /** How it is known to be the same, where it was posted with a ref. */
  readonly ref: Posted | undefined;
  readonly bytes: number;
  readonly answer: Promise<number | PublishFault>;
  readonly settle: (answer: number | PublishFault) => void;
}

/** What goes to the disk in one batch. */
interface Load {
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
  /** Bytes of all posts under way. */
  bytes: number;
  /** Whether the last batch failed. */
  failing: boolean;
  /** When the last batch was handed over, in milliseconds since the process began. */
  handedAt: number;
}

/** Longest that a message waits for others to share its batch, in milliseconds. */
const GATHER = 5;
/** Bytes under way to the disk; with more, messages are refused. */
const BYTES_MOST = 8 * 1024 * 1024;
/** What a post takes beside its strings, in bytes. */
const POST_BYTES = 300;

function newLoad(): Load {
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
    bytes: 0,
    failing: false,
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
    if (!lives || !names.restore(channel, key, hold)) noteName(data)(channel, key, undefined);
  }
}

function refsSince(clock: Clock): number {
  return (clock() - WINDOW.ms) * 1000;
}

function noteName(data: SqliteData) {
  return (channel: string, key: string, hold: Hold | undefined) => {
    const { shown = "", session = "", since = 0, until = 0 } = hold ?? {};
    const row = hold && { channel, key, shown, session, since, until };
    // Neither a channel nor a key has a line break in it.
    data.waiting.names.set(`${channel}\n${key}`, { channel, key, row });
  };
}

function noteDrop(data: SqliteData) {
  return (channel: string, upTo: number, forgotten: boolean) => {
    const before = data.waiting.drops.get(channel);
    data.waiting.drops.set(channel, { upTo, forgotten: forgotten || before?.forgotten === true });
  };
}

/** @param data of {@link openSqlite} */
export function createSqliteBroker(
  data: SqliteData,
  rules: BrokerRules,
  clock: Clock,
  events: BrokerEvents,
  log: Log,
): Broker {
  const { worker } = data;
  const history = createHistory(data.history, rules.history, clock, noteDrop(data));
  const refs = createRefs(data.refs, clock);
  const names = createNames(data.names, rules.names, clock, events, (channel, key, hold) => {
    noteName(data)(channel, key, hold);
    hurry();
  });
  let timer: Timer | undefined;
  let hurried = false;
  let onClosed: (() => void) | undefined;

  /** Hands a batch over: at the end of this tick after a quiet time, else when it is gathered. */
  function hurry(): void {
    if (timer !== undefined || hurried || data.writing !== undefined) return;
    const rest = data.handedAt + GATHER - performance.now();
    if (rest > 0) timer = setTimeout(hand, rest);
    else {
      hurried = true;
      queueMicrotask(hand);
    }
  }

  function hand(): void {
    clearTimeout(timer);
    timer = undefined;
    hurried = false;
    const { posts, names: changed, drops } = data.waiting;
    if (data.writing !== undefined || posts.length + changed.size + drops.size === 0) return;
    data.writing = data.waiting;
    data.waiting = newLoad();
    data.handedAt = performance.now();
    const write: Order = {
      do: "write",
      batch: {
        messages: posts.map(({ channel, message }) => ({ channel, ...message })),
        keeps: rules.history.limit > 0,
        refs: posts.flatMap(({ ref }) => ref ?? []),
        names: [...changed.values()],
        drops: Array.from(drops, ([channel, drop]) => ({ channel, ...drop })),
      },
      refsSince: refsSince(clock),
    };
    worker.postMessage(write);
  }

  function onReply(reply: Reply): void {
    if (reply.done === "close") return onClosed?.();
    const { writing } = data;
    data.writing = undefined;
    if (reply.done === "write") onWritten(writing ?? newLoad());
    else if (reply.done === "failed") onFailed(writing ?? newLoad(), reply.reason);
    // What can not be written now is lost by closing; trying for ever would not save it.
    if (onClosed !== undefined) finish(reply.done === "failed");
    else if (data.waiting.posts.length > 0) hurry();
    // While batches fail, names alone wait for the next message or the next renewal.
    else if (data.waiting.names.size > 0 && !data.failing) hurry();
  }

  function onWritten({ posts }: Load): void {
    if (data.failing) log.info("database works again");
    data.failing = false;
    for (const { channel, message, bytes, settle } of posts) {
      data.bytes -= bytes;
      if (data.tails.get(channel) === message.id) data.tails.delete(channel);
      history.append(channel, message);
      events.message(channel, message);
      settle(message.id);
    }
  }

  /** Refuses all that is under way: what follows a message that was not posted hangs in the air. */
  function onFailed(writing: Load, reason: string): void {
    if (!data.failing) log.error("database failed, messages are refused", { reason });
    data.failing = true;
    const { waiting } = data;
    data.waiting = newLoad();
    for (const { posts, names: changed, drops } of [writing, waiting]) {
      for (const [key, change] of changed) data.waiting.names.set(key, change);
      for (const [channel, { upTo, forgotten }] of drops) noteDrop(data)(channel, upTo, forgotten);
      for (const { ref, settle } of posts) {
        if (ref !== undefined) refs.undo(ref);
        settle("unavailable");
      }
    }
    data.tails.clear();
    data.bytes = 0;
  }

  function post(
    channel: string,
    draft: Draft,
    ref?: Omit<Posted, "id">,
  ): Promise<number | PublishFault> {
    const prev = data.tails.get(channel) ?? history.last(channel);
    const id = nextId(prev, clock());
    const { promise, resolve } = Promise.withResolvers<number | PublishFault>();
    const { text, user } = draft;
    const bytes = POST_BYTES + 2 * (text.length + user.length);
    const row = ref && { ...ref, id };
    if (row !== undefined) refs.note(row);
    data.tails.set(channel, id);
    data.bytes += bytes;
    data.waiting.posts.push({
      channel,
      message: { id, prev, text, user },
      ref: row,
      bytes,
      answer: promise,
      settle: resolve,
    });
    hurry();
    return promise;
  }

  /** The post under way with this id, if it is one. */
  function underWay(channel: string, id: number): Post | undefined {
    if (id <= history.last(channel)) return undefined;
    const posts = [...(data.writing?.posts ?? []), ...data.waiting.posts];
    return posts.find((one) => one.channel === channel && one.message.id === id);
  }

  /** Writes what is left, unless that is given up, and closes the file. */
  function finish(givenUp: boolean): void {
    if (data.writing !== undefined) return;
    if (!givenUp) hand();
    if (data.writing === undefined) worker.postMessage({ do: "close" } satisfies Order);
  }

  worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => onReply(reply);
  worker.onerror = ({ message }) => onReply({ done: "failed", reason: message });
  hurry();

  return {
    secret: data.secret,
    join(channel) {
      names.join(channel);
      return history.join(channel);
    },
    leave(channel) {
      history.leave(channel);
      names.leave(channel);
    },
    publish(channel, draft) {
      if (data.bytes > BYTES_MOST) return "unavailable";
      const { session, ref, text } = draft;
      if (session === undefined || ref === undefined) return post(channel, draft);
      const row = { channel, session, ref, hash: hashOf(text) };
      const found = refs.find(row);
      if (found === undefined) return post(channel, draft, row);
      return typeof found === "string" ? found : (underWay(channel, found)?.answer ?? found);
    },
    claim: names.claim,
    release: names.release,
    giveUp: names.giveUp,
    history: history.page,
    roster: names.roster,
    renew() {
      names.expire();
      history.expire();
      refs.expire();
      hurry();
    },
    close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      onClosed = () => {
        worker.terminate();
        resolve();
      };
      finish(false);
      return promise;
    },
  };
}
