import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import type { Broker } from "../broker/broker.ts";
import { createSessions } from "../auth/sessions.ts";
import { decide, decideAlive, type Rules } from "../commands/decide.ts";
import type { Config } from "../config.ts";
import { describe, type Log } from "../log.ts";
import type { SocketAudiences } from "../node/audiences.ts";
import type { Node } from "../node/node.ts";
import {
  createWheel,
  heartbeatDue,
  schedule,
  sweep,
  unschedule,
  type Wheel,
} from "../node/state.ts";
import { CLOSE } from "../protocol/codes.ts";
import {
  connectionFrame,
  connectionFrameV1,
  HEARTBEAT_NAMED,
  HEARTBEAT_UNNAMED,
  type Terms,
} from "../protocol/encode.ts";
import { SUBPROTOCOL } from "../protocol/limits.ts";
import { badHandshake } from "../http/answers.ts";
import { Admission, type AdmissionData, createAdmissionData } from "./admission.ts";
import { Allowance } from "./allowance.ts";
import { Flow } from "./flow.ts";
import { type Frame, Peer } from "./peer.ts";
import { Performer } from "./perform.ts";
import { rulesOf, termsOf } from "./rules.ts";
import { Turns } from "./turns.ts";

/** Plain data, so that it survives a reload of the code. */
export interface EdgeData extends AdmissionData {
  readonly wheel: Wheel<Peer>;
  /** The peers that have a socket, but are not in their channel yet. */
  readonly arriving: Set<Peer>;
}

export function createEdgeData({ heartbeatInterval }: Config, now: number): EdgeData {
  return {
    wheel: createWheel(heartbeatInterval * 1000, now),
    arriving: new Set(),
    ...createAdmissionData(),
  };
}

export interface EdgeParts {
  readonly node: Node;
  readonly broker: Broker;
  readonly audiences: SocketAudiences;
  readonly data: EdgeData;
  readonly config: Config;
  /** Milliseconds on a clock that never steps back. */
  readonly clock: () => number;
  readonly log: Log;
}

/**
 * A peer is dead after this many heartbeat intervals without a sign of life. Bun accepts this range of
 * seconds as an idle timeout, and pings after half of it.
 */
const IDLE = { intervals: 2, min: 8, max: 960 };

/**
 * The life of each socket, from its upgrade to its close. It hands frames to `decide`, and has what
 * comes of them performed. Nothing below knows a socket.
 */
export class WebSocketEdge {
  /** What `Bun.serve` takes as `websocket`. */
  readonly websocket: WebSocketHandler<Peer>;
  readonly #parts: EdgeParts;
  readonly #rules: Rules;
  readonly #terms: Terms;
  readonly #performer: Performer;
  readonly #flow: Flow;
  readonly #turns = new Turns({
    handle: (peer, frame) => this.#handle(peer, frame),
    fail: (peer, error) => this.#fail(peer, error),
    settled: (peer) => this.#parts.broker.leave(peer.channel.id),
  });
  readonly #admission: Admission;
  /** A peer that was not heard of for this long, although pinged, is dead: milliseconds. */
  readonly #deadAfter: number;
  #draining = false;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    const { node, broker, log, config, data } = parts;
    this.#admission = new Admission(config, data, log);
    const sessions = createSessions(broker.secret);
    this.#rules = rulesOf(config, sessions);
    this.#terms = termsOf(config);
    const allowance = new Allowance(config.messageRate > 0, parts.clock);
    this.#flow = new Flow(config.sendBufferTotal, log, parts.clock());
    this.#performer = new Performer({
      ...{ node, broker, sessions, log, allowance, flow: this.#flow, turns: this.#turns },
    });
    const idle = Math.ceil(config.heartbeatInterval * IDLE.intervals);
    const idleTimeout = Math.min(Math.max(idle, IDLE.min), IDLE.max);
    this.#deadAfter = idleTimeout * 1000;
    this.websocket = {
      data: {} as Peer,
      ...this.#handlers(),
      idleTimeout,
      // An emoji in JSON can take 12 bytes; the rest is room for the frame around the text.
      maxPayloadLength: 12 * config.textLimit + 1024,
      backpressureLimit: config.sendBuffer,
      // Never a connection with holes in what it was sent: slow readers are disconnected.
      closeOnBackpressureLimit: true,
    };
  }

  #handlers(): WebSocketHandler<Peer> {
    const { clock } = this.#parts;
    const onAlive = ({ data: peer }: ServerWebSocket<Peer>) =>
      this.#performer.perform(peer, decideAlive(peer, clock(), this.#rules));
    return {
      open: (ws) => this.#open(ws),
      message: ({ data: peer }, frame) => this.#turns.receive(peer, frame),
      ping: onAlive,
      pong: (ws, payload) => {
        if (this.#flow.acknowledge(ws.data, payload)) ws.data.heardAt = clock();
        else onAlive(ws);
      },
      close: ({ data: peer }, code) => this.#close(peer, code),
      error: (error, ws) => this.#fail(ws.data, error),
    };
  }

  /** @returns undefined if the request has become a connection of the channel, or else an answer */
  upgrade(request: Request, server: Server<Peer>, channel: string): Response | undefined {
    const { node, clock } = this.#parts;
    const now = clock();
    const from = server.requestIP(request)?.address;
    const admitted = this.#admission.admit(request, channel, from, now);
    if (admitted instanceof Response) return admitted;
    const { v1, visitor } = admitted;
    const peer = new Peer(node.arrive(admitted.channel), v1, now, visitor);
    // Without this header, Bun answers the client's first offer, whatever it is.
    const headers = { "Sec-WebSocket-Protocol": v1 ? SUBPROTOCOL : "" };
    if (server.upgrade(request, { data: peer, headers })) return undefined;
    node.leave(peer);
    this.#admission.leave(visitor);
    return badHandshake();
  }

  /** Why a request may not read this channel or, with `connects`, could not connect now, if so. */
  refusal(
    request: Request,
    server: Server<Peer>,
    channel: string,
    connects: boolean,
  ): Response | undefined {
    if (!connects) return this.#admission.refusal(request, channel);
    const from = server.requestIP(request)?.address;
    return this.#admission.preview(request, channel, from, this.#parts.clock());
  }

  /** Forgets what is no longer needed. Call it about every second. */
  renew(): void {
    this.#performer.renew();
    this.#admission.sweep(this.#parts.clock());
  }

  /**
   * Sends the heartbeats that are due, disconnects the dead and those who do not read, and notices how
   * late the event loop is. Call it every 100 ms.
   */
  tick(): void {
    const { node, clock, data } = this.#parts;
    const { wheel } = data;
    const now = clock();
    this.#rules.load?.tick(now);
    this.#flow.sweep(wheel.slots, now);
    sweep(wheel, now, (peer) => {
      const silentFor = now - Math.max(peer.heardAt, wheel.wokeAt);
      if (silentFor > this.#deadAfter) return peer.ws?.terminate();
      if (heartbeatDue(peer) && peer.name !== undefined) {
        this.#performer.release(peer, peer.name, false);
      }
      node.signal(peer, peer.name === undefined ? HEARTBEAT_UNNAMED : HEARTBEAT_NAMED);
    });
  }

  /** Stops admitting, closes every connection with 1001 and keeps their names for them. */
  drain(): void {
    this.#draining = true;
    this.#admission.drain();
    const { wheel, arriving } = this.#parts.data;
    for (const peer of [...arriving, ...wheel.slots.flat()]) {
      // A socket that is not read would not see the answer to its close.
      if (peer.waiting) peer.ws?.resume();
      peer.ws?.close(CLOSE.goingAway.code, CLOSE.goingAway.reason);
    }
  }

  #open(ws: ServerWebSocket<Peer>): void {
    const { broker, log, data } = this.#parts;
    const peer = ws.data;
    peer.ws = ws;
    log.debug("connection opened", { channel: peer.channel.id });
    data.arriving.add(peer);
    this.#turns.hold(peer, (answered) => {
      broker.join(peer.channel.id, (last, silent) =>
        answered(() => {
          data.arriving.delete(peer);
          if (!silent) peer.channel.told = last;
          if (!peer.closed) this.#enter(peer, last);
        }),
      );
    });
  }

  #enter(peer: Peer, last: number): void {
    const { node, audiences, data } = this.#parts;
    const { id } = peer.channel;
    schedule(data.wheel, peer, Math.random());
    if (peer.v1) node.enter(peer, audiences.v1, connectionFrameV1(id, last, this.#terms));
    else node.enter(peer, audiences.plain, connectionFrame(id));
    this.#flow.enter(peer);
  }

  #close(peer: Peer, code: number): void {
    const { node, broker, data, log } = this.#parts;
    log.debug("connection closed", { channel: peer.channel.id, code });
    peer.closed = true;
    peer.queue = undefined;
    unschedule(data.wheel, peer);
    this.#admission.leave(peer.visitor);
    node.leave(peer);
    data.arriving.delete(peer);
    // 1006: it broke off, without a word. Its client may come back.
    const keep = peer.v1 && (this.#draining || code === 1006);
    if (peer.name !== undefined) this.#performer.release(peer, peer.name, keep);
    // One that waits for an answer leaves once it is there, since that may be a name.
    if (!peer.waiting) broker.leave(peer.channel.id);
  }

  #handle(peer: Peer, frame: Frame): void {
    this.#performer.perform(peer, decide(peer, frame, this.#parts.clock(), this.#rules));
  }

  #fail(peer: Peer, error: unknown): void {
    const { log } = this.#parts;
    log.error("connection failed", { channel: peer.channel.id, error: describe(error) });
    if (!peer.closed) peer.ws?.close(CLOSE.internal.code, CLOSE.internal.reason);
  }
}
