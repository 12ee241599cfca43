import type { Log } from "../../log.ts";
import {
  type BrokerStatus,
  type Draft,
  messageAfter,
  type PublishAnswer,
  type PublishFault,
} from "../broker.ts";
import { MemoryBroker } from "../memory/memory.ts";
import { hashOf, type Once } from "../memory/refs.ts";
import {
  type Batch,
  gatherAgain,
  logFailure,
  newBatch,
  noteDrop,
  noteName,
  orderFor,
  openFile,
  type Post,
  READY,
  rowOf,
  settle,
  type SqliteData,
  type SqliteOptions,
} from "./data.ts";
import type { Failure, Order, Reply } from "./orders.ts";

/** Longest that a message waits for others to share its batch, in milliseconds. */
const GATHER = 5;
/** Bytes under way to the disk; with more, messages are refused. */
const BYTES_MOST = 8 * 1024 * 1024;
/** What a post takes beside its strings, in bytes. */
const POST_BYTES = 300;

/**
 * Opens a database file, or goes on with the one that the load before has opened.
 *
 * @throws with a sentence if it cannot be used; see {@link openFile}
 */
export async function openSqlite(
  data: { sqlite?: SqliteData },
  path: string,
  options: SqliteOptions,
): Promise<SqliteBroker> {
  data.sqlite ??= await openFile(path, options);
  return new SqliteBroker(data.sqlite, options);
}

/**
 * The broker of one process whose messages, refs and names are in an SQLite file as well. It answers
 * from memory; a message gets there, and to everyone, once its batch is on the disk.
 */
export class SqliteBroker extends MemoryBroker {
  readonly #data: SqliteData;
  readonly #log: Log;
  #timer: Timer | undefined;
  #scheduled = false;
  #onClosed: (() => void) | undefined;

  constructor(data: SqliteData, options: SqliteOptions) {
    let onNames = () => {};
    super(data, options, {
      onDrop: (...drop) => noteDrop(data.gathered, ...drop),
      onChange(channel, key, hold) {
        noteName(data.gathered, { channel, key, row: hold && rowOf(hold, options) });
        onNames();
      },
    });
    // While batches fail, names alone wait for the next message or the next renewal.
    onNames = () => data.status.state === "ready" && this.#schedule();
    this.#data = data;
    this.#log = options.log;
    const { worker } = data;
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => this.#onReply(reply);
    worker.onerror = ({ message }) => this.#log.error("database thread failed", { error: message });
    worker.addEventListener("close", this.#onEnd);
    this.#schedule();
  }

  override publish(channel: string, draft: Draft, answer: PublishAnswer): void {
    if (this.#isBroken() || this.#data.bytes > BYTES_MOST) {
      return answer("unavailable", draft);
    }
    const { session, ref, text } = draft;
    if (session === undefined || ref === undefined) return this.#post(channel, draft, answer);
    const once = { channel, session, ref, hash: hashOf(text) };
    const found = this.refs.find(once);
    if (found === undefined) return this.#post(channel, draft, answer, once);
    const underWay = this.#data.underWay.get(`${channel}\n${found}`);
    if (underWay === undefined) answer(found, draft);
    else underWay.waiting.push({ draft, answer });
  }

  override renew(): void {
    super.renew();
    this.#write(true);
  }

  override status(): BrokerStatus {
    return this.#data.status;
  }

  override dispose(): void {
    clearTimeout(this.#timer);
    this.#data.worker.removeEventListener("close", this.#onEnd);
  }

  override close(): Promise<void> {
    if (this.#isBroken()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onClosed = () => {
      this.dispose();
      this.#data.worker.terminate();
      resolve();
    };
    this.#finish(false);
    return promise;
  }

  #post(channel: string, draft: Draft, answer: PublishAnswer, once?: Once): void {
    const data = this.#data;
    const prev = data.tails.get(channel) ?? this.messages.last(channel);
    const message = messageAfter(prev, this.options.date(), draft);
    const { id, timestamp, text, user } = message;
    const post: Post = {
      channel,
      message,
      ref: once && { ...once, id, timestamp },
      bytes: POST_BYTES + 2 * (text.length + user.length),
      waiting: [{ draft, answer }],
    };
    if (post.ref !== undefined) {
      this.refs.note(post.ref, draft.network);
      data.underWay.set(`${channel}\n${id}`, post);
    }
    data.tails.set(channel, id);
    data.bytes += post.bytes;
    data.gathered.posts.push(post);
    this.#schedule();
  }

  /** Has what is gathered written: at the end of this tick after a quiet time, else a little later. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#scheduled || this.#data.writing !== undefined) return;
    const rest = this.#data.writtenAt + GATHER - performance.now();
    if (rest > 0) this.#timer = setTimeout(() => this.#write(), rest);
    else {
      this.#scheduled = true;
      queueMicrotask(() => this.#write());
    }
  }

  /**
   * Hands what is gathered to the thread, one batch at a time. With `always`, even if that is nothing,
   * the thread looks whether its file is there and, after a failure, whether it can write again.
   */
  #write(always = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#scheduled = false;
    const data = this.#data;
    const { posts, names, drops } = data.gathered;
    const nothing = posts.length + names.size + drops.size === 0;
    if (data.writing !== undefined || (nothing && !always) || this.#isBroken()) return;
    data.writing = data.gathered;
    data.gathered = newBatch();
    data.writtenAt = performance.now();
    data.worker.postMessage(orderFor(data, data.writing, this.options));
  }

  #onReply(reply: Reply): void {
    if (reply.done === "close") return this.#onClosed?.();
    const data = this.#data;
    const written = data.writing ?? newBatch();
    data.writing = undefined;
    if (reply.done === "write") this.#onWritten(written);
    else if (reply.done === "failed") this.#onFailed(written, reply);
    // What cannot be written now is lost by closing; trying for ever would not save it.
    if (this.#onClosed !== undefined) return this.#finish(reply.done !== "write");
    const { posts, names } = data.gathered;
    const namesWait = names.size > 0 && data.status.state === "ready";
    if (posts.length > 0 || namesWait) this.#schedule();
  }

  #onWritten({ posts }: Batch): void {
    const data = this.#data;
    if (data.status.state !== "ready") this.#log.info("database works again");
    data.status = READY;
    for (const post of posts) {
      const { channel, message, ref, bytes } = post;
      data.bytes -= bytes;
      if (ref !== undefined) data.underWay.delete(`${channel}\n${message.id}`);
      if (data.tails.get(channel) === message.id) data.tails.delete(channel);
      this.messages.append(channel, message, post.waiting[0]?.draft.network);
      this.options.events.message(channel, message);
      settle(post, message.id);
    }
  }

  #onFailed(failed: Batch, { reason, fault, broken }: Failure): void {
    const data = this.#data;
    if (data.status.state === "ready") logFailure(this.#log, reason);
    data.status = { state: broken ? "broken" : "failing", reason };
    const { gathered } = data;
    data.gathered = gatherAgain(failed, gathered);
    this.#refuse(failed.posts, fault, gathered.posts);
  }

  /**
   * Answers all that is under way; whoever posts it again may use the same ref. What is `behind` a
   * batch that was not posted has no `prev`, so it surely is not posted either.
   */
  #refuse(posts: readonly Post[], fault: PublishFault, behind: readonly Post[]): void {
    const data = this.#data;
    data.tails.clear();
    data.underWay.clear();
    data.bytes = 0;
    for (const { ref } of [...posts, ...behind]) if (ref !== undefined) this.refs.undo(ref);
    for (const post of posts) settle(post, fault);
    for (const post of behind) settle(post, "unavailable");
  }

  /**
   * The thread ends by itself only through a bug. Nobody can tell then what is on the disk; a new
   * start reads it.
   */
  readonly #onEnd = (): void => {
    if (this.#onClosed !== undefined) return this.#onClosed();
    this.#log.error("database thread ended");
    const data = this.#data;
    data.status = { state: "broken", reason: "its thread has ended" };
    const { writing, gathered } = data;
    data.writing = undefined;
    data.gathered = newBatch();
    this.#refuse(writing?.posts ?? [], "unknown", gathered.posts);
  };

  #isBroken(): boolean {
    return this.#data.status.state === "broken";
  }

  /** Writes what is left, unless that is given up, and closes the file. */
  #finish(givenUp: boolean): void {
    if (this.#data.writing !== undefined) return;
    if (!givenUp) this.#write();
    if (this.#data.writing === undefined) {
      this.#data.worker.postMessage({ do: "close" } satisfies Order);
    }
  }
}
