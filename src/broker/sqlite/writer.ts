import type { Log } from "../../log.ts";
import type { PublishFault } from "../broker.ts";
import {
  type Batch,
  gatherAgain,
  logFailure,
  newBatch,
  orderFor,
  type Post,
  READY,
  removalKey,
  secondsOf,
  settle,
  type SqliteData,
  type SqliteOptions,
} from "./data.ts";
import type { Drop, Expired, Failure, Order, Reply } from "./orders.ts";
import type { Answered, Unreadable } from "./read.ts";
import { GRACE, retentionOf } from "./retention.ts";

/** Longest that a message waits for others to share its batch, in milliseconds. */
const GATHER = 5;
/** Between two steps of letting go, while there is more to let go of: milliseconds for messages. */
const EXPIRY_PAUSE = 20;
/** What a post takes beside its strings, in bytes. */
const POST_BYTES = 300;

export interface WriterEvents {
  /** A message is on the disk. */
  written(post: Post): void;
  /** A message is surely or possibly not on the disk. */
  refused(post: Post): void;
  /** Messages have left the file by its own rules. */
  dropped(drop: Drop): void;
  /** The thread has answered a question, since the file cannot be shared. */
  read(found: Answered | Unreadable): void;
  /** Whether somebody is in a channel, or was a while ago. */
  isUsed(channel: string): boolean;
}

/** Hands what is to be written to the thread that writes, one batch at a time. */
export class Writer {
  readonly #data: SqliteData;
  readonly #options: SqliteOptions;
  readonly #events: WriterEvents;
  readonly #log: Log;
  #timer: Timer | undefined;
  #expiryTimer: Timer | undefined;
  #scheduled = false;
  #expiring = false;
  #expired: Expired[] = [];
  /** Whether a lower limit may have left something over. */
  #lowered = true;
  #onClosed: (() => void) | undefined;

  constructor(data: SqliteData, options: SqliteOptions, events: WriterEvents) {
    this.#data = data;
    this.#options = options;
    this.#events = events;
    this.#log = options.log;
    const { worker } = data;
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => this.#onReply(reply);
    worker.onerror = ({ message }) => this.#log.error("database thread failed", { error: message });
    worker.addEventListener("close", this.#onEnd);
    this.#schedule();
  }

  get isBroken(): boolean {
    return this.#data.status.state === "broken";
  }

  /** Puts a message on its way to the disk. Those on one channel stay in order. */
  post(post: Omit<Post, "bytes">): void {
    const data = this.#data;
    const { channel, message } = post;
    const bytes = POST_BYTES + 2 * (message.text.length + message.user.length);
    const whole = { ...post, bytes };
    if (post.ref !== undefined) data.underWay.set(`${channel}\n${message.id}`, whole);
    if (message.deletes) data.underWay.set(removalKey(channel, message.deletes), whole);
    data.given.set(channel, message.id);
    data.bytes += bytes;
    data.gathered.posts.push(whole);
    this.#schedule();
  }

  /** A name has changed. While batches fail, names alone wait for a message or the next renewal. */
  noted(): void {
    if (this.#data.status.state === "ready") this.#schedule();
  }

  /**
   * Writes what waits, looks whether the file is there, and lets go of what has to go.
   * @param expired channels that were empty for too long
   */
  renew(expired: readonly Expired[]): void {
    this.#write(true);
    this.#expired.push(...expired);
    this.#expire();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#expiryTimer);
    this.#data.worker.removeEventListener("close", this.#onEnd);
  }

  close(): Promise<void> {
    if (this.isBroken) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onClosed = () => {
      this.dispose();
      this.#data.worker.terminate();
      resolve();
    };
    this.#finish(false);
    return promise;
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
    const { posts, names } = data.gathered;
    const nothing = posts.length + names.size === 0;
    if (data.writing !== undefined || (nothing && !always) || this.isBroken) return;
    data.writing = data.gathered;
    data.gathered = newBatch();
    data.writtenAt = performance.now();
    data.worker.postMessage(orderFor(data, data.writing, this.#options));
  }

  #expire(): void {
    const data = this.#data;
    // On a disk that is almost full, what goes makes room.
    if (this.#expiring || this.#onClosed !== undefined || this.isBroken) return;
    const { clock } = this.#options;
    if (data.loweredAt !== undefined && clock() >= data.loweredAt + GRACE) {
      data.retention = retentionOf(this.#options);
      data.loweredAt = undefined;
      this.#lowered = true;
    }
    this.#expiring = true;
    const { retention } = data;
    const order: Order = {
      do: "expire",
      retention: this.#lowered ? retention : { ...retention, limit: Infinity },
      expired: this.#expired.splice(0),
      limits: this.#lowered ? retention : undefined,
      now: secondsOf(this.#options),
    };
    data.worker.postMessage(order);
  }

  #onReply(reply: Reply): void {
    if (reply.done === "close") return this.#onClosed?.();
    if (reply.done === "expire") return this.#onExpired(reply);
    if (reply.done === "read") return this.#events.read(reply.found);
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

  #onExpired({ written, drops, unused, more, copies }: Reply & { done: "expire" }): void {
    this.#expiring = false;
    for (const copy of copies) this.#log.info("copy of an older database deleted", { copy });
    this.#lowered &&= drops.length > 0 || !written;
    for (const drop of drops) this.#events.dropped(drop);
    this.#expired.push(...unused.filter(({ channel }) => !this.#events.isUsed(channel)));
    if (more) this.#expiryTimer = setTimeout(() => this.#expire(), EXPIRY_PAUSE);
  }

  #onWritten({ posts }: Batch): void {
    const data = this.#data;
    // Removals are written on a disk that is almost full, too.
    const removesOnly = posts.length > 0 && posts.every(({ message }) => message.deletes);
    if (data.status.state !== "ready" && !removesOnly) {
      this.#log.info("database works again");
      data.status = READY;
    }
    for (const post of posts) {
      const { channel, message, ref, bytes } = post;
      data.bytes -= bytes;
      if (ref !== undefined) data.underWay.delete(`${channel}\n${message.id}`);
      if (message.deletes) data.underWay.delete(removalKey(channel, message.deletes));
      if (data.given.get(channel) === message.id) data.given.delete(channel);
      this.#events.written(post);
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
    data.given.clear();
    data.underWay.clear();
    data.bytes = 0;
    for (const post of [...posts, ...behind]) this.#events.refused(post);
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

  /** Writes what is left, unless that is given up, and closes the file. */
  #finish(givenUp: boolean): void {
    if (this.#data.writing !== undefined) return;
    if (!givenUp) this.#write();
    if (this.#data.writing === undefined) {
      this.#data.worker.postMessage({ do: "close" } satisfies Order);
    }
  }
}
