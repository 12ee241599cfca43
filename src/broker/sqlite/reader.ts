import type { Log } from "../../log.ts";
import type { Order, Reply } from "./orders.ts";
import type { Answered, Inquiry, Unreadable } from "./read.ts";

/** Receives what was found; undefined if the file cannot be read. */
type Then = (found: Answered | undefined) => void;

/** A thread that answers in turn, once it was needed. */
interface Thread {
  worker: Worker | undefined;
  readonly waiting: Then[];
}

/** Survives a reload of the code. */
export interface ReaderData {
  readonly path: string;
  /** Channels that are forgotten up to an id, but not all in the file yet. */
  readonly floors: Map<string, number>;
  /** A search can take long, so pages do not wait behind one. Both are the same if it is not shared. */
  readonly pages: Thread;
  readonly searches: Thread;
  /** Why it could not be read the last time. */
  reason: string;
}

/** @param writer the thread that writes, if it has to read as well since the file cannot be shared */
export function createReaderData(path: string, writer: Worker | undefined): ReaderData {
  const pages: Thread = { worker: writer, waiting: [] };
  const searches: Thread = writer === undefined ? { worker: undefined, waiting: [] } : pages;
  return { path, floors: new Map(), pages, searches, reason: "" };
}

const ENDED: Unreadable = { failed: "its thread has ended" };

/** Puts questions to the threads that read the database. */
export class Reader {
  readonly #data: ReaderData;
  readonly #log: Log;
  /** Take the listeners for the end of a thread away. */
  readonly #unlisten = new Map<Thread, () => void>();

  constructor(data: ReaderData, log: Log) {
    this.#data = data;
    this.#log = log;
    for (const thread of new Set([data.pages, data.searches])) {
      if (thread.worker !== undefined) this.#listen(thread, thread.worker);
    }
  }

  ask(channel: string, inquiry: Inquiry, then: Then): void {
    const data = this.#data;
    const question = { ...inquiry, channel, floor: data.floors.get(channel) ?? 0 };
    const thread = inquiry.ask === "search" ? data.searches : data.pages;
    const start = () => new Worker(new URL("./worker.ts", import.meta.url).href);
    thread.worker ??= this.#listen(thread, start());
    thread.waiting.push(then);
    thread.worker.postMessage({ do: "read", path: data.path, question } satisfies Order);
  }

  /** A thread has answered a question. */
  receive(found: Answered | Unreadable, { waiting }: Thread = this.#data.pages): void {
    const reason = "failed" in found ? found.failed : undefined;
    // The first of several: with a damaged page, some questions are answered and others are not.
    if (reason !== undefined && reason !== this.#data.reason) {
      this.#log.error("database cannot be read", { reason });
      this.#data.reason = reason;
    }
    waiting.shift()?.("failed" in found ? undefined : found);
  }

  dispose(): void {
    for (const unlisten of this.#unlisten.values()) unlisten();
  }

  /** Closes the file, unless that is up to the thread that writes. */
  async close(): Promise<void> {
    const { pages, searches } = this.#data;
    if (pages !== searches) await Promise.all([pages, searches].map(close));
  }

  #listen(thread: Thread, worker: Worker): Worker {
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.done === "read") this.receive(reply.found, thread);
    };
    worker.onerror = ({ message }) => this.#log.error("database thread failed", { error: message });
    const onEnd = () => this.#onEnd(thread);
    worker.addEventListener("close", onEnd);
    this.#unlisten.set(thread, () => worker.removeEventListener("close", onEnd));
    return worker;
  }

  /** The thread could not start, or has ended by a bug. The next question starts another one. */
  #onEnd(thread: Thread): void {
    thread.worker = undefined;
    for (let left = thread.waiting.length; left > 0; left--) this.receive(ENDED, thread);
  }
}

async function close(thread: Thread): Promise<void> {
  const { worker } = thread;
  if (worker === undefined) return;
  thread.worker = undefined;
  const closed = new Promise<void>((resolve) => {
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.done === "close") resolve();
    };
  });
  worker.postMessage({ do: "close" } satisfies Order);
  await closed;
  worker.terminate();
}
