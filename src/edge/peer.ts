import type { ServerWebSocket } from "bun";
import type { Visitor } from "../auth/visitors.ts";
import type { Channel, Group } from "../node/channels.ts";
import type { Member } from "../node/node.ts";
import type { Name } from "../protocol/names.ts";

/** A frame as Bun gives it: a string for a text frame, bytes for a binary one. */
export type Frame = string | Uint8Array;

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

  send(frame: string): void {
    this.ws?.send(frame);
  }

  subscribe(topic: string): void {
    this.ws?.subscribe(topic);
  }
}
