import type { Log } from "../../log.ts";
import type { Order, Reply } from "./orders.ts";
import type { Answered, Inquiry, Unreadable } from "./read.ts";

/** Receives what was found; undefined if the file cannot be read. */
type Then = (found: Answered | undefined) => void;

/** Survives a reload of the code. */
export interface ReaderData {
  readonly path: string;
  /** Channels that are forgotten up to an id, but not all in the file yet. */
  readonly floors: Map<string, number>;
  /** The thread that answers; the one that writes if the file cannot be shared. */
  worker: Worker | undefined;
  /** Those who wait for an answer, in turn. */
  readonly waiting: Then[];
  /** Why it could not be read the last time. */
  reason: string;
}

/** Puts questions to the thread that reads the database. It answers in turn. */
export class Reader {
  readonly #data: ReaderData;
  readonly #log: Log;

  constructor(data: ReaderData, log: Log) {
    this.#data = data;
    this.#log = log;
    if (data.worker !== undefined) this.#listen(data.worker);
  }

  ask(channel: string, inquiry: Inquiry, then: Then): void {
    const data = this.#data;
    const question = { ...inquiry, channel, floor: data.floors.get(channel) ?? 0 };
    data.worker ??= this.#listen(new Worker(new URL("./worker.ts", import.meta.url).href));
    data.waiting.push(then);
    data.worker.postMessage({ do: "read", path: data.path, question } satisfies Order);
  }

  /** The thread that writes has answered a question. */
  receive(found: Answered | Unreadable): void {
    const reason = "failed" in found ? found.failed : undefined;
    // The first of several: with a damaged page, some questions are answered and others are not.
    if (reason !== undefined && reason !== this.#data.reason) {
      this.#log.error("database cannot be read", { reason });
      this.#data.reason = reason;
    }
    this.#data.waiting.shift()?.("failed" in found ? undefined : found);
  }

  /** Closes the file, unless that is up to the thread that writes. */
  async close(): Promise<void> {
    const { worker } = this.#data;
    if (worker === undefined) return;
    const closed = new Promise<void>((resolve) => {
      worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
        if (reply.done === "close") resolve();
      };
    });
    worker.postMessage({ do: "close" } satisfies Order);
    await closed;
    worker.terminate();
  }

  #listen(worker: Worker): Worker {
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.done === "read") this.receive(reply.found);
    };
    return worker;
  }
}
