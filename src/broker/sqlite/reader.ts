import type { Log } from "../../log.ts";
import type { Order, Reply } from "./orders.ts";
import type { Answered, Question } from "./read.ts";

/** Receives what was found; undefined if the file cannot be read. */
type Then = (found: Answered | undefined) => void;

/** The thread that reads the database: it answers questions in turn. */
export class Reader {
  readonly #path: string;
  readonly #log: Log;
  /** Made for the first question. */
  #worker: Worker | undefined;
  readonly #waiting: Then[] = [];
  #failed = false;
  #disposed = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  ask(question: Question, then: Then): void {
    this.#worker ??= this.#start();
    this.#waiting.push(then);
    this.#worker.postMessage({ do: "read", path: this.#path, question } satisfies Order);
  }

  /** Closes once everything that was asked is answered. */
  dispose(): void {
    this.#disposed = true;
    if (this.#waiting.length === 0) this.close();
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#waiting.length = 0;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if (data.done === "read") this.#report(undefined);
      if (data.done === "refused") this.#report(data.reason);
      this.#waiting.shift()?.(data.done === "read" ? data.found : undefined);
      if (this.#disposed && this.#waiting.length === 0) this.close();
    };
    // A thread ends by itself only through a bug; the next question makes another.
    worker.addEventListener("close", () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#report("its thread has ended");
      for (const then of this.#waiting.splice(0)) then(undefined);
    });
    return worker;
  }

  /** Logs the first failure of several. */
  #report(reason: string | undefined): void {
    if (reason !== undefined && !this.#failed)
      this.#log.error("database cannot be read", { reason });
    this.#failed = reason !== undefined;
  }
}
