import type { Sessions } from "../auth/sessions.ts";
import type { Broker, Draft, HistoryQuery, RemovalFault, SearchQuery } from "../broker/broker.ts";
import type { Outcome } from "../commands/decide.ts";
import type { Log } from "../log.ts";
import { listenersOf } from "../node/channels.ts";
import type { Node } from "../node/node.ts";
import { identify, unname, userOf } from "../node/state.ts";
import type { Close } from "../protocol/codes.ts";
import {
  ackFrame,
  errorFrame,
  historyFrame,
  IDENTITY_GRANTED,
  IDENTITY_REFUSED,
  identityFrameV1,
  identityRefusedV1,
  searchFrame,
} from "../protocol/encode.ts";
import type { Name } from "../protocol/names.ts";
import { type Allowance, rosterBytes } from "./allowance.ts";
import type { Flow } from "./flow.ts";
import { Pages } from "./pages.ts";
import type { Peer } from "./peer.ts";
import type { Turns } from "./turns.ts";

export interface PerformParts {
  readonly node: Node;
  readonly broker: Broker;
  readonly sessions: Sessions;
  readonly log: Log;
  readonly allowance: Allowance;
  readonly flow: Flow;
  readonly turns: Turns;
}

/** Carries out what was decided about a frame. */
export class Performer {
  readonly #parts: PerformParts;
  readonly #pages = new Pages();

  constructor(parts: PerformParts) {
    this.#parts = parts;
  }

  perform(peer: Peer, outcome: Outcome): void {
    switch (outcome.do) {
      case "nothing":
        return;
      case "reply":
        return this.#parts.node.tell(peer, outcome.frame);
      case "close":
        return this.#close(peer, outcome.with);
      case "publish":
        return this.#publish(peer, outcome.text, outcome.ref);
      case "claim":
        return this.#claim(peer, outcome.name, outcome.session);
      case "give up":
        return this.#giveUp(peer, outcome.session);
      case "history":
        return this.#history(peer, outcome.query);
      case "search":
        return this.#search(peer, outcome.query);
      case "remove":
        return this.#remove(peer, outcome);
      case "presence":
        return this.#presence(peer);
    }
  }

  /** Forgets the pages that were made. Call it about every second. */
  renew(): void {
    this.#pages.clear();
  }

  /** Frees a peer's name, or keeps it for its session. */
  release(peer: Peer, { key }: Name, keep: boolean): void {
    unname(peer);
    const network = peer.visitor?.network;
    this.#parts.broker.release(peer.channel.id, { holder: peer, key, keep, network });
  }

  #close({ channel, visitor, ws }: Peer, { code, reason }: Close): void {
    this.#parts.log.info("connection closed by the server", {
      channel: channel.id,
      ...(visitor && { address: visitor.network }),
      code,
      reason,
    });
    ws?.close(code, reason);
  }

  #publish(peer: Peer, text: string, ref: string | undefined): void {
    const { channel, session, visitor } = peer;
    const network = visitor?.network;
    const draft = { holder: peer, text, user: userOf(peer), network, session, ref };
    this.#parts.broker.publish(channel.id, draft, this.#published);
  }

  /** One function for all messages, so that none costs a closure. */
  readonly #published = (
    answer: number | RemovalFault,
    { holder, ref }: Pick<Draft, "holder" | "ref">,
  ): void => {
    const peer = holder as Peer;
    const { node, turns } = this.#parts;
    if (peer.closed) return;
    try {
      if (typeof answer === "string") node.tell(peer, errorFrame(answer, ref));
      else if (ref !== undefined) node.signal(peer, ackFrame(ref, answer));
    } catch (error) {
      turns.fail(peer, error);
    }
  };

  #claim(peer: Peer, name: Name, session: string | undefined): void {
    const { broker, turns } = this.#parts;
    const claim = { holder: peer, name, held: peer.name?.key, session };
    turns.hold(peer, (answered) => {
      broker.claim(peer.channel.id, claim, (granted) =>
        answered(() => {
          if (granted) identify(peer, name);
          if (!peer.closed) this.#answerClaim(peer, name, session, granted);
          else if (granted) this.release(peer, name, peer.v1);
        }),
      );
    });
  }

  #answerClaim(peer: Peer, name: Name, session: string | undefined, granted: boolean): void {
    const { node, sessions } = this.#parts;
    if (session === undefined) {
      node.tell(peer, granted ? IDENTITY_GRANTED : IDENTITY_REFUSED);
    } else if (granted) {
      peer.session = session;
      node.tell(peer, identityFrameV1(name.shown, sessions.tokenOf(session)));
    } else {
      node.tell(peer, identityRefusedV1("name_taken"));
    }
  }

  #giveUp(peer: Peer, session: string): void {
    const { broker, node, sessions, turns } = this.#parts;
    if (peer.name !== undefined) this.release(peer, peer.name, false);
    peer.session = session;
    turns.hold(peer, (answered) => {
      broker.giveUp(peer.channel.id, session, () =>
        answered(() => {
          if (!peer.closed) node.tell(peer, identityFrameV1("", sessions.tokenOf(session)));
        }),
      );
    });
  }

  #history(peer: Peer, query: HistoryQuery): void {
    const { channel } = peer;
    const allowed = !peer.paging && this.#parts.allowance.allows(peer);
    const known = allowed ? this.#pages.get(channel, query) : undefined;
    if (known !== undefined) return this.#answerPage(peer, known);
    this.#ask(peer, allowed, (answer) =>
      this.#parts.broker.history(channel.id, query, (page) =>
        answer(() => {
          if (page === undefined) return undefined;
          const frame = historyFrame(page, query);
          if (page.messages.length > 0) this.#pages.set(channel, query, frame);
          return frame;
        }),
      ),
    );
  }

  #search(peer: Peer, query: SearchQuery): void {
    const allowed = !peer.paging && this.#parts.allowance.search(peer);
    this.#ask(peer, allowed, (answer) =>
      this.#parts.broker.search(peer.channel.id, query, (found) =>
        answer(() => found && searchFrame(found.messages, found.more)),
      ),
    );
  }

  /** Puts a question to the broker whose answer is a page. @param put gets what makes the frame */
  #ask(
    peer: Peer,
    allowed: boolean,
    put: (answer: (frame: () => string | undefined) => void) => void,
  ): void {
    const { node, turns } = this.#parts;
    if (!allowed) return node.tell(peer, errorFrame("busy"));
    peer.paging = true;
    put((frame) => {
      peer.paging = false;
      if (peer.closed) return;
      turns.attempt(peer, () => this.#answerPage(peer, frame() ?? errorFrame("unavailable")));
    });
  }

  #answerPage(peer: Peer, frame: string): void {
    const { allowance, node, flow } = this.#parts;
    allowance.charge(peer, Buffer.byteLength(frame));
    node.tell(peer, frame);
    // Whoever reads has answered by the time that it asks for another page.
    flow.probe(peer);
  }

  #remove(peer: Peer, { id, session, ref }: Outcome & { do: "remove" }): void {
    const { broker } = this.#parts;
    const removal = { holder: peer, id, session, ref, network: peer.visitor?.network };
    broker.remove(peer.channel.id, removal, (answer) => this.#published(answer, removal));
  }

  #presence(peer: Peer): void {
    const { node, allowance } = this.#parts;
    if (!allowance.allows(peer)) return node.tell(peer, errorFrame("busy"));
    allowance.charge(peer, rosterBytes(listenersOf(peer.channel)));
    node.watch(peer);
  }
}
