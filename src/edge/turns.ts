import type { Frame, Peer } from "./peer.ts";

export interface TurnsParts {
  handle(peer: Peer, frame: Frame): void;
  /** A handler has thrown. */
  fail(peer: Peer, error: unknown): void;
  /** A peer that has closed has the answer that it waited for. */
  settled(peer: Peer): void;
}

/**
 * Frames take effect in the order in which they were sent: while a peer waits for an answer of the
 * broker that they may depend on, its further frames are held back.
 */
export class Turns {
  readonly #parts: TurnsParts;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** Handles a frame, now or once it is its turn. */
  receive(peer: Peer, frame: Frame): void {
    if (peer.waiting) (peer.queue ??= []).push(frame);
    else this.#parts.handle(peer, frame);
  }

  /** Asks the broker something, and holds the peer's frames back until the answer is dealt with. */
  hold(peer: Peer, ask: (answered: (then: () => void) => void) => void): void {
    let comesLater = false;
    peer.waiting = true;
    try {
      ask((then) => {
        this.attempt(peer, then);
        peer.waiting = false;
        if (peer.closed) this.#parts.settled(peer);
        else if (comesLater) this.#catchUp(peer);
      });
    } catch (error) {
      // No answer will come, so the peer must not wait for one when it closes.
      peer.waiting = false;
      throw error;
    }
    if (!peer.waiting) return;
    comesLater = true;
    if (peer.queue !== undefined) return;
    // Until then the kernel holds what the client sends.
    peer.queue = [];
    peer.ws?.pause();
  }

  /**
   * Runs this for a peer; if it throws, only this connection ends. Answers may come in a batch with
   * those of others, which must not notice.
   */
  attempt(peer: Peer, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(peer, error);
    }
  }

  fail(peer: Peer, error: unknown): void {
    this.#parts.fail(peer, error);
  }

  /** Handles the frames that were held back, until one of them has to wait for an answer again. */
  #catchUp(peer: Peer): void {
    while (!peer.waiting) {
      const frame = peer.queue?.shift();
      if (frame === undefined) break;
      this.attempt(peer, () => this.#parts.handle(peer, frame));
    }
    if (peer.waiting || peer.closed) return;
    peer.queue = undefined;
    peer.ws?.resume();
  }
}
