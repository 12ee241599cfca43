import type { Sent } from "./api.ts";
import type { Queue, Settle } from "./requests.ts";
import type { Command } from "../protocol/inbound.ts";
import type { MessageFields, ServerFrame } from "../protocol/outbound.ts";

type AckFrame = ServerFrame & { type: "ack" };

/** What the client says and takes back: each with a ref, by which it is known again. */
export class Outgoing {
  readonly #queue: Queue;
  readonly #refs = Math.random().toString(36).slice(2);
  #count = 0;
  /** The refs of what was acknowledged before it arrived, by ids. */
  readonly #acknowledged = new Map<number, string>();

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  newRef(): string {
    return `${this.#refs}-${this.#count++}`;
  }

  /** Posts a message or a removal. @param refused receives a final error frame, with its ref */
  post(frame: Command & { readonly ref: string }, refused?: Settle): Promise<Sent> {
    return new Promise((resolve) => {
      this.#queue.ask(frame, (answer) => {
        if (answer.type === "ack") resolve({ ok: true, id: answer.id });
        else if (answer.type !== "error") resolve({ ok: true });
        else {
          resolve({ ok: false, code: answer.code, message: answer.message });
          refused?.({ ...answer, ref: frame.ref });
        }
      });
    });
  }

  /** @param last the id of the last message that was delivered */
  acknowledge(frame: AckFrame, last: number): void {
    if (this.#queue.pending?.frame.ref !== frame.ref) return;
    if (frame.id > last) this.#acknowledged.set(frame.id, frame.ref);
    this.#queue.answer(frame);
  }

  /** The ref of a message or removal that arrives, if it is one's own. Call it once for each. */
  refOf({ id = 0, user, text }: MessageFields): string | undefined {
    const [first] = this.#queue.waiting;
    const own = first?.as === user && first?.frame.text === text;
    const ref = this.#acknowledged.get(id) ?? (own ? first.frame.ref : undefined);
    this.#acknowledged.delete(id);
    return ref;
  }
}
