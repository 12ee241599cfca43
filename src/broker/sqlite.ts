import type { Log } from "../log.ts";
import type { Broker, BrokerEvents, Clock, Draft, PublishFault } from "./broker.ts";
import { nextId } from "./history.ts";
import { type BrokerRules, createRooms } from "./memory.ts";
import { hashOf, type Once } from "./refs.ts";
import {
  allNames,
  type Load,
  newLoad,
  noteDrop,
  noteName,
  refsSince,
  type SqliteData,
} from "./sqlite-data.ts";
import type { Order, Reply } from "./sqlite-worker.ts";

/**
 * The broker of one process whose messages, refs and names are in an SQLite file as well. What it
 * answers from is in memory; a message gets there, and to everyone, once its batch is on the disk.
 */

/** Longest that a message waits for others to share its batch, in milliseconds. */
const GATHER = 5;
/** Bytes under way to the disk; with more, messages are refused. */
const BYTES_MOST = 8 * 1024 * 1024;
/** What a post takes beside its strings, in bytes. */
const POST_BYTES = 300;

/** @param data of `openSqlite` */
export function createSqliteBroker(
  data: SqliteData,
  rules: BrokerRules,
  clock: Clock,
  events: BrokerEvents,
  log: Log,
): Broker {
  const { worker } = data;
  const { history, refs, broker } = createRooms(data, rules, clock, events, {
    dropped: noteDrop(data),
    renamed(channel, key, hold) {
      noteName(data, channel, key, hold);
      // While batches fail, names alone wait for the next message or the next renewal.
      if (!data.failing) hurry();
    },
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
    // They are many, so they wait until a message is through.
    const allOfThem = data.namesMissed && (posts.length === 0 || !data.failing);
    const nothing = posts.length + changed.size + drops.size === 0 && !allOfThem;
    if (data.writing !== undefined || nothing) return;
    if (allOfThem) data.namesMissed = false;
    data.writing = data.waiting;
    data.waiting = newLoad();
    data.handedAt = performance.now();
    const write: Order = {
      do: "write",
      batch: {
        messages: posts.map(({ channel, message }) => ({ channel, ...message })),
        keeps: rules.history.limit > 0,
        refs: posts.flatMap(({ ref }) => ref ?? []),
        names: allOfThem ? allNames(data) : [...changed.values()],
        allNames: allOfThem,
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
    else if ((data.waiting.names.size > 0 || data.namesMissed) && !data.failing) hurry();
  }

  function onWritten({ posts }: Load): void {
    if (data.failing) log.info("database works again");
    data.failing = false;
    for (const { channel, message, ref, bytes, settle } of posts) {
      data.bytes -= bytes;
      if (ref !== undefined) data.answers.delete(`${channel}\n${message.id}`);
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
    // To gather what changes would take memory for as long as this goes on.
    data.namesMissed = true;
    for (const { posts, drops } of [writing, waiting]) {
      for (const [channel, { upTo, forgotten }] of drops) noteDrop(data)(channel, upTo, forgotten);
      for (const { ref, settle } of posts) {
        if (ref !== undefined) refs.undo(ref);
        settle("unavailable");
      }
    }
    data.tails.clear();
    data.answers.clear();
    data.bytes = 0;
  }

  function post(channel: string, draft: Draft, ref?: Once): Promise<number | PublishFault> {
    const prev = data.tails.get(channel) ?? history.last(channel);
    const id = nextId(prev, clock());
    const { promise, resolve } = Promise.withResolvers<number | PublishFault>();
    const { text, user } = draft;
    const bytes = POST_BYTES + 2 * (text.length + user.length);
    const row = ref && { ...ref, id };
    if (row !== undefined) {
      refs.note(row);
      data.answers.set(`${channel}\n${id}`, promise);
    }
    data.tails.set(channel, id);
    data.bytes += bytes;
    data.waiting.posts.push({
      channel,
      message: { id, prev, text, user },
      ref: row,
      bytes,
      settle: resolve,
    });
    hurry();
    return promise;
  }

  /**
   * The thread ends by itself only through a defect. Nobody can tell then what is on the disk; a new
   * start reads it.
   */
  function onEnd(): void {
    if (onClosed !== undefined) return onClosed();
    log.error("database thread ended, the server stops");
    for (const { posts } of [data.writing ?? newLoad(), data.waiting]) {
      for (const { settle } of posts) settle("unknown");
    }
    // Once those who wait were told.
    setImmediate(() => process.exit(1));
  }

  /** Writes what is left, unless that is given up, and closes the file. */
  function finish(givenUp: boolean): void {
    if (data.writing !== undefined) return;
    if (!givenUp) hand();
    if (data.writing === undefined) worker.postMessage({ do: "close" } satisfies Order);
  }

  worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => onReply(reply);
  worker.onerror = ({ message }) => log.error("database thread failed", { reason: message });
  worker.addEventListener("close", onEnd);
  hurry();

  return {
    ...broker,
    publish(channel, draft) {
      if (data.bytes > BYTES_MOST) return "unavailable";
      const { session, ref, text } = draft;
      if (session === undefined || ref === undefined) return post(channel, draft);
      const row = { channel, session, ref, hash: hashOf(text) };
      const found = refs.find(row);
      if (found === undefined) return post(channel, draft, row);
      return data.answers.get(`${channel}\n${found}`) ?? found;
    },
    renew() {
      broker.renew();
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
