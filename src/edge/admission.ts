import { SUBPROTOCOL } from "../protocol/limits.ts";
import { stopping } from "../http/answers.ts";

/** The facts of a connection that may come in. */
export interface Admitted {
  readonly channel: string;
  /** Whether it speaks `shoal.v1`. */
  readonly v1: boolean;
}

/** The one step between a request and a connection: every way into a channel passes it. */
export class Admission {
  #draining = false;

  /** @returns the connection's facts, or the answer to a request that is refused */
  admit(request: Request, channel: string): Admitted | Response {
    if (this.#draining) return stopping();
    const offers = request.headers.get("sec-websocket-protocol") ?? "";
    const v1 = offers.split(",").some((offer) => offer.trim() === SUBPROTOCOL);
    return { channel, v1 };
  }

  /** Admits nobody from now on. */
  drain(): void {
    this.#draining = true;
  }
}
