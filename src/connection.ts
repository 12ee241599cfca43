import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import type { Awaitable, Broker, PublishFault } from "./broker/broker.ts";
import { decide, decideAlive, type Outcome, type Rules } from "./commands/decide.ts";
import type { Fanout } from "./node/fanout.ts";
import type { Log } from "./log.ts";
import type { Presence } from "./node/presence.ts";
import {
  arrive,
  type Channel,
  type Connection,
  enter,
  heartbeatDue,
  identify,
  leave,
  type State,
  sweep,
  unname,
  userOf,
} from "./node/state.ts";
import {
  ackFrame,
  connectionFrame,
  connectionFrameV1,
  errorFrame,
  HEARTBEAT_NAMED,
  HEARTBEAT_UNNAMED,
  historyFrame,
  IDENTITY_GRANTED,
  IDENTITY_REFUSED,
  identityFrameV1,
  identityRefusedV1,
  type Terms,
} from "./protocol/encode.ts";
import { CLOSE } from "./protocol/codes.ts";
import type { Name } from "./protocol/names.ts";
import type { HistoryQuery } from "./broker/broker.ts";
import { SUBPROTOCOL } from "./protocol/limits.ts";

/**
 * The edge: the life of each socket, from its upgrade to its close. It hands frames to `decide`
 * and performs what comes of them. Nothing below knows a socket.
 */

/** What a socket carries as its `data`. */
export interface Peer extends Connection {
  ws: ServerWebSocket<Peer> | undefined;
  /** Frames that came while an answer of the broker was awaited, which they may depend on. */
  queue: Frame[] | undefined;
  /** Whether a page of history is on its way. */
  paging: boolean;
  closed: boolean;
}

type Frame = string | Uint8Array;

export interface EdgeParts {
  readonly state: State<Peer>;
  readonly presence: Presence<Peer>;
  readonly broker: Broker;
  readonly fanout: Fanout;
  readonly rules: Rules;
  readonly terms: Terms;
  /** Who is not heard of for this long, in milliseconds, although pinged, is dead. */
  readonly deadAfter: number;
  /** Milliseconds on a clock that never steps back. */
  readonly clock: () => number;
  readonly log: Log;
}

export interface Edge {
  readonly handlers: WebSocketHandler<Peer>;
  /** @returns whether the request has become a connection of the channel */
  upgrade(request: Request, server: Server<Peer>, channel: string): boolean;
  /** Sends the heartbeats that are due, and cuts the dead. */
  heartbeat(): void;
  /** Closes every connection with 1001 and keeps their names for them. */
  drain(): void;
}

/** One literal, since an object that is put together of others takes a third more memory. */
export function newPeer(channel: Channel, v1: boolean, now: number): Peer {
  return {
    channel,
    v1,
    name: undefined,
    user: undefined,
    session: undefined,
    awaited: false,
    heardAt: now,
    framesFullAt: 0,
    heartbeatsFullAt: 0,
    refusals: undefined,
    slot: -1,
    place: -1,
    ws: undefined,
    queue: undefined,
    paging: false,
    closed: false,
  };
}

/** The topic of those who watch a channel's presence. */
export function presenceTopic(channel: string): string {
  return `presence/${channel}`;
}

/** Tells one who asked, and lets it watch from here on. */
export function answerPresence(peer: Peer, frame: string): void {
  peer.ws?.subscribe(presenceTopic(peer.channel.id));
  peer.ws?.send(frame);
}

/**
 * Tells a connection that its name went to another one of its session. It does not get the session
 * back by asking for the name again: the two would take turns for ever.
 */
export function replaced(peer: Peer): void {
  unname(peer);
  peer.session = undefined;
  peer.ws?.send(peer.v1 ? identityRefusedV1("replaced") : IDENTITY_REFUSED);
}

export function createEdge(parts: EdgeParts): Edge {
  const { state, presence, broker, fanout, rules, terms, deadAfter, clock, log } = parts;
  const { sessions } = rules;
  let draining = false;

  /** Goes on with an answer of the broker; frames that come before it wait for their turn. */
  function settle<T>(peer: Peer, answer: Awaitable<T>, then: (answer: T) => void): void {
    if (!(answer instanceof Promise)) return then(answer);
    const queue: Frame[] = [];
    peer.queue = queue;
    peer.ws?.pause();
    answer
      .then(then)
      .catch((error: unknown) => fail(peer, error))
      .then(() => {
        peer.queue = undefined;
        if (peer.closed) return;
        peer.ws?.resume();
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          perform(peer, decide(peer, next, clock(), rules));
          const again = peer.queue as Frame[] | undefined;
          if (again !== undefined) return void again.push(...queue);
        }
      })
      .catch((error: unknown) => fail(peer, error));
  }

  function fail(peer: Peer, error: unknown): void {
    log.error("connection failed", { channel: peer.channel.id, error: String(error) });
    if (!peer.closed) peer.ws?.close(CLOSE.internal.code, CLOSE.internal.reason);
  }

  function welcome(peer: Peer, last: number): void {
    const { channel, ws } = peer;
    if (peer.closed || ws === undefined) return broker.leave(channel.id);
    fanout.flush(channel);
    enter(state, peer, Math.random());
    ws.subscribe(peer.v1 ? channel.v1Topic : channel.plainTopic);
    ws.send(peer.v1 ? connectionFrameV1(channel.id, last, terms) : connectionFrame(channel.id));
  }

  /** Sends an answer to one, behind the messages that were said before it. */
  function tell(peer: Peer, frame: string): void {
    fanout.flush(peer.channel);
    peer.ws?.send(frame);
  }

  function perform(peer: Peer, outcome: Outcome): void {
    switch (outcome.do) {
      case "nothing":
        return;
      case "reply":
        return tell(peer, outcome.frame);
      case "close":
        log.info("connection closed for flooding", { channel: peer.channel.id });
        peer.ws?.close(outcome.with.code, outcome.with.reason);
        return;
      case "publish":
        return publish(peer, outcome.text, outcome.ref);
      case "claim":
        return claim(peer, outcome.name, outcome.session);
      case "give up":
        if (peer.name !== undefined) release(peer, peer.name, false);
        peer.session = outcome.session;
        broker.giveUp(peer.channel.id, outcome.session);
        return tell(peer, identityFrameV1("", sessions.tokenOf(outcome.session)));
      case "history":
        return history(peer, outcome.query);
      case "presence":
        return presence.ask(peer.channel.id, peer);
    }
  }

  /** A ping or pong of the WebSocket. */
  function sign({ data: peer }: ServerWebSocket<Peer>): void {
    perform(peer, decideAlive(peer, clock(), rules));
  }

  function publish(peer: Peer, text: string, ref: string | undefined): void {
    const { channel, session } = peer;
    const answer = broker.publish(channel.id, { text, user: userOf(peer), session, ref });
    if (!(answer instanceof Promise)) return published(peer, ref, answer);
    answer.then((done) => published(peer, ref, done)).catch((error: unknown) => fail(peer, error));
  }

  function published(peer: Peer, ref: string | undefined, done: number | PublishFault): void {
    if (peer.closed) return;
    if (typeof done === "string") tell(peer, errorFrame(done, ref));
    else if (ref !== undefined) peer.ws?.send(ackFrame(ref, done));
  }

  function claim(peer: Peer, name: Name, session: string | undefined): void {
    const { channel } = peer;
    const held = peer.name?.key;
    const answer = broker.claim(channel.id, { holder: peer, name, held, session });
    settle(peer, answer, (granted) => {
      if (granted) identify(peer, name);
      if (peer.closed) {
        if (granted) release(peer, name, peer.v1);
        return;
      }
      if (session === undefined) {
        tell(peer, granted ? IDENTITY_GRANTED : IDENTITY_REFUSED);
      } else if (granted) {
        peer.session = session;
        tell(peer, identityFrameV1(name.shown, sessions.tokenOf(session)));
      } else {
        tell(peer, identityRefusedV1("name_taken"));
      }
    });
  }

  function release(peer: Peer, { key }: Name, keep: boolean): void {
    unname(peer);
    broker.release(peer.channel.id, { holder: peer, key, keep });
  }

  function history(peer: Peer, query: HistoryQuery): void {
    if (peer.paging) return tell(peer, errorFrame("busy"));
    const forward = query.after !== undefined;
    const page = broker.history(peer.channel.id, query);
    if (!(page instanceof Promise)) return tell(peer, historyFrame(page, forward));
    peer.paging = true;
    page
      .then((found) => {
        peer.paging = false;
        if (!peer.closed) tell(peer, historyFrame(found, forward));
      })
      .catch((error: unknown) => fail(peer, error));
  }

  return {
    handlers: {
      open(ws) {
        const peer = ws.data;
        peer.ws = ws;
        log.debug("connection opened", { channel: peer.channel.id });
        settle(peer, broker.join(peer.channel.id), (last) => welcome(peer, last));
      },

      message({ data: peer }, frame) {
        if (peer.queue !== undefined) peer.queue.push(frame);
        else perform(peer, decide(peer, frame, clock(), rules));
      },

      ping: sign,
      pong: sign,

      close({ data: peer }, code) {
        const { channel, name } = peer;
        log.debug("connection closed", { channel: channel.id, code });
        peer.closed = true;
        const entered = peer.slot !== -1;
        leave(state, peer);
        if (!entered) return;
        // 1006: it broke off, without a word. Its client may come back.
        if (name !== undefined) release(peer, name, peer.v1 && (draining || code === 1006));
        presence.unwatch(channel.id, peer);
        broker.leave(channel.id);
      },

      error(error, ws) {
        fail(ws.data, error);
      },
    },

    upgrade(request, server, channel) {
      const offers = request.headers.get("sec-websocket-protocol") ?? "";
      const v1 = offers.split(",").some((offer) => offer.trim() === SUBPROTOCOL);
      const peer = newPeer(arrive(state.channels, channel), v1, clock());
      // Without this header, Bun answers the client's first offer, whatever it is.
      const headers = { "Sec-WebSocket-Protocol": v1 ? SUBPROTOCOL : "" };
      if (server.upgrade(request, { data: peer, headers })) return true;
      leave(state, peer);
      return false;
    },

    heartbeat() {
      const now = clock();
      sweep(state, now, (peer) => {
        const silentFor = now - Math.max(peer.heardAt, state.wheel.wokeAt);
        if (silentFor > deadAfter) return void peer.ws?.terminate();
        if (heartbeatDue(peer) && peer.name !== undefined) release(peer, peer.name, false);
        peer.ws?.send(peer.name === undefined ? HEARTBEAT_UNNAMED : HEARTBEAT_NAMED);
      });
    },

    drain() {
      draining = true;
      const { code, reason } = CLOSE.goingAway;
      for (const slot of state.wheel.slots) {
        for (const peer of [...slot]) peer.ws?.close(code, reason);
      }
    },
  };
}
