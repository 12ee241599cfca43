import type { Message } from "../protocol/encode.ts";
import { type Channel, listenersOf, publishTo } from "./channels.ts";

export interface FanoutRules {
  /** How long messages are gathered, in milliseconds; 0 for not at all. */
  readonly window: number;
  /** Milliseconds on a clock that never steps back. */
  readonly clock: () => number;
  /** Calls back in the next turn of the event loop: `setImmediate`. */
  readonly nextTurn: (run: () => void) => void;
}

/** Channels with at least this many listeners gather: in smaller ones, it is not worth the wait. */
const LARGE = 500;
/** Gathered messages at most: at 32 in one turn, Bun flushes on its own. */
const MAX_GATHERED = 31;
/** A wait was useless if nothing came later than this many milliseconds after its first message. */
const USELESS = 2;
/** The most sends that go by before a channel waits again. */
const MAX_SPARED = 64;

/** What a large channel sends, and when. Times are milliseconds on the fan-out's clock. */
interface Burst {
  /** Messages that wait, and until when. */
  readonly messages: Message[];
  timer: Timer | undefined;
  /** When the first and the last of them came. */
  since: number;
  cameAt: number;
  /** When something was sent last, and whether it was in this turn of the event loop. */
  sentAt: number;
  sending: boolean;
  /** Sends that do not wait, now and after the last useless wait. */
  spared: number;
  backoff: number;
}

function newBurst(): Burst {
  const times = { since: 0, cameAt: 0, sentAt: -Infinity };
  return { messages: [], timer: undefined, ...times, sending: false, spared: 0, backoff: 0 };
}

/**
 * From one message to everyone in a channel: each encoding is made once, and only if it is read.
 *
 * A send costs the kernel about the same however many frames it carries, and what is published in one
 * turn of the event loop is one send per socket. So a large channel gathers: a message to a
 * quiet channel goes out at once, with all that come in the same turn; those that follow within the window
 * wait for its end and go out together, in their order. A message now and then never waits; the
 * busier a channel is, the more each send carries. If all who talk wait for their own message to come
 * back, nothing comes while the channel waits: each useless wait doubles how many sends go by before
 * it waits again.
 */
export class Fanout {
  readonly #rules: FanoutRules;
  readonly #bursts = new WeakMap<Channel, Burst>();
  /** The channels with messages that wait. */
  readonly #gathering = new Set<Channel>();

  constructor(rules: FanoutRules) {
    this.#rules = rules;
  }

  message(channel: Channel, message: Message): void {
    const { window, clock } = this.#rules;
    if (window === 0 || listenersOf(channel) < LARGE) {
      this.flush(channel);
      return send(channel, message);
    }
    const burst = this.#burstOf(channel);
    if (burst.sending) return send(channel, message);
    const now = clock();
    if (!this.#gathering.has(channel)) {
      const wait = burst.sentAt + window - now;
      if (wait <= 0 || burst.spared > 0) {
        if (wait > 0) burst.spared--;
        this.#begin(burst);
        return send(channel, message);
      }
      burst.since = now;
      burst.timer = setTimeout(() => this.#end(channel, burst), wait);
      this.#gathering.add(channel);
    }
    burst.cameAt = now;
    if (burst.messages.push(message) === MAX_GATHERED) this.flush(channel);
  }

  /** Sends what a channel has gathered. */
  flush(channel: Channel): void {
    if (this.#gathering.size === 0 || !this.#gathering.delete(channel)) return;
    const burst = this.#burstOf(channel);
    clearTimeout(burst.timer);
    this.#begin(burst);
    for (const message of burst.messages) send(channel, message);
    burst.messages.length = 0;
  }

  /** Sends what all channels have gathered. */
  flushAll(): void {
    for (const channel of this.#gathering) this.flush(channel);
  }

  #burstOf(channel: Channel): Burst {
    let burst = this.#bursts.get(channel);
    if (burst === undefined) this.#bursts.set(channel, (burst = newBurst()));
    return burst;
  }

  /** Notes that this turn of the event loop ends with a send to everybody. */
  #begin(burst: Burst): void {
    burst.sentAt = this.#rules.clock();
    if (burst.sending) return;
    burst.sending = true;
    this.#rules.nextTurn(() => (burst.sending = false));
  }

  /** The end of a window. */
  #end(channel: Channel, burst: Burst): void {
    const useless = burst.cameAt - burst.since <= USELESS;
    burst.backoff = useless ? Math.min(Math.max(1, 2 * burst.backoff), MAX_SPARED) : 0;
    burst.spared = burst.backoff;
    this.flush(channel);
  }
}

function send({ groups }: Channel, message: Message): void {
  for (const group of groups) {
    if (group.count > 0) publishTo(group, group.audience.encode(message));
  }
}
