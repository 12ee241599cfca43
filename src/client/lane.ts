import type { ServerFrame } from "./frames.ts";
import type { Command } from "../protocol/inbound.ts";

/** A frame that the server answers, and what to do with the answer. */
export interface Ask {
  readonly frame: Command;
  /** Takes the answer, or an error frame. */
  readonly settle: (answer: ServerFrame) => void;
  /** The client's own doing: made anew on each connection. */
  readonly own?: boolean;
  /** The name that one had when it was sent; undefined before. */
  as?: string | undefined;
}

/** Asks that go out one after the other: the next once the one before is answered. */
export interface Lane {
  asks: Ask[];
  /** Whether the first was sent, and is not to be sent again for now. */
  busy: boolean;
  /** Until the first is sent again, where it was refused for now. */
  timer?: ReturnType<typeof setTimeout>;
}

export function createLane(): Lane {
  return { asks: [], busy: false };
}

/** The first ask, if it was sent. */
export function awaited({ asks, busy }: Lane): Ask | undefined {
  return busy ? asks[0] : undefined;
}

/** Puts an ask before all that were not sent yet. */
export function prefer(lane: Lane, ask: Ask): void {
  lane.asks.splice(lane.busy ? 1 : 0, 0, ask);
}

/** The first ask is answered. */
export function settle(lane: Lane, answer: ServerFrame): void {
  free(lane);
  lane.asks.shift()?.settle(answer);
}

/** For a new connection: all is to be sent again, but for what the client makes anew. */
export function restart(lane: Lane): void {
  free(lane);
  lane.asks = lane.asks.filter((ask) => ask.own !== true);
}

export function free(lane: Lane): void {
  clearTimeout(lane.timer);
  lane.busy = false;
}
