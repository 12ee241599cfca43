import type { ServerWebSocket } from "bun";
import type { Visitor } from "../auth/visitors.ts";
import type { Channel, Group } from "../node/channels.ts";
import type { Member } from "../node/node.ts";
import type { Name } from "../protocol/names.ts";

/** A frame as Bun gives it: a string for a text frame, bytes for a binary one. */
export type Frame = string | Uint8Array;

/** A ping that was not answered yet. */
export interface Ping {
  /** Nobody can guess it, so whoever sends it back has read everything before it. */
  readonly payload: string;
  /** The peer's position when it was sent. */
  readonly position: number;
  /** How old it is, in milliseconds and in sweeps. */
  age: number;
  sweeps: number;
}

/** A WebSocket, as the node and the commands know it. It is the socket's `data`. */
export class Peer implements Member {
  readonly channel: Channel;
  readonly v1: boolean;
  readonly visitor: Visitor | undefined;
  group: Group | undefined = undefined;
  name: Name | undefined = undefined;
  user: string | undefined = undefined;
  session: string | undefined = undefined;
  awaited = false;
  heardAt: number;
  framesFullAt = 0;
  heartbeatsFullAt = 0;
  asked = 0;
  askedAt = 0;
  /** When its bucket of answers will be full; see allowance.ts. */
  answersFullAt = 0;
  /** Bytes that were sent to it alone. */
  sent = 0;
  /** Its position up to which it has read, and the ping that asks how far it is; see flow.ts. */
  acked = 0;
  ping: Ping | undefined = undefined;
  refusals: number[] | undefined = undefined;
  slot = -1;
  place = -1;
  ws: ServerWebSocket<Peer> | undefined = undefined;
  /** Frames that came while it waits for an answer of the broker, which they may depend on. */
  queue: Frame[] | undefined = undefined;
  /** Whether it waits for such an answer, and whether a page of history is on its way. */
  waiting = false;
  paging = false;
  closed = false;

  constructor(channel: Channel, v1: boolean, now: number, visitor?: Visitor) {
    this.channel = channel;
    this.v1 = v1;
    this.visitor = visitor;
    this.heardAt = now;
  }

  /** Bytes that were sent to it and to its group, from a beginning that does not matter. */
  get position(): number {
    return this.sent + (this.group?.sent ?? 0);
  }

  /** Bytes that it may not have read yet. */
  get inFlight(): number {
    return this.position - this.acked;
  }

  send(frame: string): void {
    // Bun answers how many bytes it has sent, unless there is backpressure.
    const sent = this.ws?.send(frame) ?? 0;
    this.sent += sent > 0 ? sent : Buffer.byteLength(frame);
  }

  subscribe(topic: string): void {
    this.ws?.subscribe(topic);
  }
}
