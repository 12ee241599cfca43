import { backoff } from "./backoff.ts";
import { type Limits, paceOf } from "./pace.ts";
import { take, waitFor } from "../protocol/bucket.ts";
import { TEXT_TOO_LONG } from "../protocol/codes.ts";
import type { Command } from "../protocol/inbound.ts";
import type { ServerFrame } from "../protocol/outbound.ts";

/** A frame that the server answers. */
export interface Request {
  readonly frame: Command & { readonly ref?: string; readonly text?: string };
  /** Receives the answer, or an error frame. */
  readonly settle: Settle;
  /** Whether the client asks again by itself on the next connection. */
  readonly renewed: boolean;
  /** The name that the client had when the frame was sent. */
  as?: string | undefined;
}

export type Settle = (answer: ServerFrame) => void;

/** What is assumed of a server that does not announce its limits. */
const PLAIN_LIMITS = { rate: 10, burst: 10, text: Infinity };
const TOO_LONG = { type: "error", code: "text_too_long", message: TEXT_TOO_LONG } as const;

/** The wait after "busy", in milliseconds. */
const SOON = 500;

type Timer = ReturnType<typeof setTimeout> | undefined;

/** What goes out: some queues that share the server's limits. */
export class Requests {
  readonly #queues: Queue[] = [];
  readonly #ready: () => readonly Queue[];
  readonly #write: (request: Request, queue: Queue) => void;
  readonly #random: () => number;
  #pace = paceOf(PLAIN_LIMITS);
  /** Code points in a message. */
  #textLimit = Infinity;
  #fullAt = 0;
  #timer: Timer;
  /** How many requests in a row the server rejected for now. */
  #refusals = 0;
  /** The answer to everything after the end. */
  closed: ServerFrame | undefined;

  /**
   * @param ready the queues that may send now
   * @param random at least 0, below 1: spreads the waits
   */
  constructor(
    ready: () => readonly Queue[],
    write: (request: Request, queue: Queue) => void,
    random: () => number,
  ) {
    this.#ready = ready;
    this.#write = write;
    this.#random = random;
  }

  queue(): Queue {
    const queue = new Queue(this);
    this.#queues.push(queue);
    return queue;
  }

  /** A new connection has begun. */
  restart(limits: Limits & { readonly text: number } = PLAIN_LIMITS): void {
    this.#pace = paceOf(limits);
    this.#textLimit = limits.text;
    this.#fullAt = this.#refusals = 0;
    for (const queue of this.#queues) queue.restart();
  }

  /** Sends what may be sent now. */
  readonly pump = (): void => {
    for (const queue of this.#ready()) {
      const [request] = queue.waiting;
      if (request === undefined || queue.sent) continue;
      // A frame that is far too long would cost the connection, again and again.
      if ((request.frame.text?.length ?? 0) > 2 * this.#textLimit) return queue.answer(TOO_LONG);
      const now = performance.now();
      const wait = waitFor(this.#pace, this.#fullAt, now);
      if (wait > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(this.pump, wait);
        return;
      }
      this.#fullAt = take(this.#pace, this.#fullAt, now);
      queue.sent = true;
      this.#write(request, queue);
    }
  };

  /** A request was answered for good. */
  answered(): void {
    this.#refusals = 0;
    this.pump();
  }

  /** A request was rejected for now. @returns milliseconds until it may be sent again */
  refused(): number {
    return backoff(this.#refusals++, this.#random);
  }

  /** Answers everything that still waits, and all that is asked later. */
  close(answer: ServerFrame): void {
    this.closed = answer;
    clearTimeout(this.#timer);
    for (const queue of this.#queues) {
      queue.restart();
      while (queue.waiting.length > 0) queue.settle(answer);
    }
  }
}

/** Requests that go out one after the other: the next once the one before is answered. */
export class Queue {
  waiting: Request[] = [];
  /** Whether the first request was sent, and must not be sent again for now. */
  sent = false;
  readonly #requests: Requests;
  #timer: Timer;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  /** The request whose answer is due. */
  get pending(): Request | undefined {
    return this.sent ? this.waiting[0] : undefined;
  }

  /** Asks for the user: once, over as many connections as it takes. */
  readonly ask = (frame: Command, settle: Settle): void => {
    const { closed, pump } = this.#requests;
    if (closed !== undefined) return settle(closed);
    this.waiting.push({ frame, settle, renewed: false });
    pump();
  };

  /** Asks for the client itself, before what was not sent yet, and on this connection only. */
  readonly askFirst = (frame: Command, settle: Settle): void => {
    this.waiting.splice(this.sent ? 1 : 0, 0, { frame, settle, renewed: true });
    this.#requests.pump();
  };

  /** The first request is answered for good. */
  answer(answer: ServerFrame): void {
    this.settle(answer);
    this.#requests.answered();
  }

  /** The first request was rejected, but may succeed later; soon, if the server was only busy. */
  retry(soon = false): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.release();
        this.#requests.pump();
      },
      soon ? SOON : this.#requests.refused(),
    );
  }

  /** The first request is to be sent again. */
  release(): void {
    clearTimeout(this.#timer);
    this.sent = false;
  }

  settle(answer: ServerFrame): void {
    this.release();
    this.waiting.shift()?.settle(answer);
  }

  /** For a new connection: everything is to be sent again, except what the client renews. */
  restart(): void {
    this.release();
    this.waiting = this.waiting.filter(({ renewed }) => !renewed);
  }
}
