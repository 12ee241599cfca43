import type { Events } from "./events.ts";
import type { Queue, Settle } from "./requests.ts";
import { RETRY_LATER } from "../protocol/codes.ts";
import type { ServerFrame } from "../protocol/outbound.ts";

type IdentityFrame = ServerFrame & { type: "identity" };

/** The name that a client has, asks for again on each connection, and can lose. */
export class Name {
  user: string | undefined;
  session: string | undefined;
  /** Whether the server knows the name on this connection. */
  granted = false;
  /** Whether someone else took it, so that messages wait for the next one. */
  lost = false;
  readonly #queue: Queue;
  readonly #emit: Events["emit"];
  readonly #unasked: Settle;

  /** @param unasked takes the answer to a request that nobody waits for */
  constructor(queue: Queue, emit: Events["emit"], unasked: Settle) {
    this.#queue = queue;
    this.#emit = emit;
    this.#unasked = unasked;
  }

  /** Whether no message can be rejected for lack of a name that the client has or asks for. */
  get settled(): boolean {
    return (
      this.#queue.waiting.length === 0 && !this.lost && (this.granted || this.user === undefined)
    );
  }

  /** Asks again for the name that the client had. */
  reclaim(): void {
    this.granted = false;
    this.#queue.askFirst({ type: "identity", user: this.user ?? "" }, this.#unasked);
  }

  /** Gives the name up, whatever the server says. */
  drop(): void {
    this.granted = this.lost = false;
    this.#set(undefined);
  }

  receive(frame: IdentityFrame): void {
    const request = this.#queue.pending;
    const { code = "name_refused", message = "This name is taken or not valid." } = frame;
    if (frame.session !== undefined && frame.session !== this.session) {
      this.session = frame.session;
      this.#emit("session", { session: frame.session });
    }
    if (code === "replaced" || (request === undefined && frame.success === "false")) {
      this.#lose();
      this.#emit("replaced", { message });
    } else if (request === undefined) {
      return;
    } else if (frame.success === "true") {
      const { user: asked = "" } = request.frame as { user?: string };
      this.#take(frame.user ?? asked.normalize("NFKC").trim());
      this.#queue.answer(frame);
    } else if (RETRY_LATER.has(code) && code !== "name_taken") {
      this.#queue.retry();
    } else {
      if (request.renewed) this.#lose();
      this.#queue.answer({ type: "error", code, message });
    }
  }

  /** @param shown the name as the server shows it; empty: none */
  #take(shown: string): void {
    this.granted = shown !== "";
    this.lost = false;
    this.#set(shown || undefined);
  }

  #lose(): void {
    this.lost ||= this.user !== undefined;
    this.granted = false;
    this.#set(undefined);
  }

  #set(user: string | undefined): void {
    if (user === this.user) return;
    this.user = user;
    this.#emit("identity", { user });
  }
}
