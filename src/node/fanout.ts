import type { Channel } from "./state.ts";
import { type Message, messageFrame, messageFrameV1 } from "../protocol/encode.ts";

/**
 * From one event to everyone in a channel: each encoding is made once, and only if it is read.
 *
 * A send costs the kernel about the same however many frames it carries, and what is published in
 * one turn of the event loop is one send a socket. So a large channel gathers: a message that finds
 * it quiet goes out at once, with all that come in the same turn; those that follow within the window
 * wait for its end and go out together, in their order. At one message now and then nothing waits;
 * the busier it is, the more each send carries. Where all who talk wait for their own message to come
 * back, nothing comes while the channel waits: each wait in vain doubles how many sends go by before
 * it waits again.
 */
export interface Fanout {
  message(channel: Channel, message: Message): void;
  /** Sends what a channel has gathered. To be called before anything that must come after it. */
  flush(channel: Channel): void;
  /** Sends what all channels have gathered. */
  flushAll(): void;
}

/** Sends one frame to all subscribers of a topic. */
export type Publish = (topic: string, frame: string) => void;

export interface FanoutRules {
  /** How long messages are gathered, in milliseconds; 0 for not at all. */
  readonly window: number;
  /** Milliseconds on a clock that never steps back. */
  readonly clock: () => number;
  /** Calls back in the next turn of the event loop: `setImmediate`. */
  readonly nextTurn: (run: () => void) => void;
}

/** Connections from which on a channel gathers: with fewer, a send less is not worth the wait. */
const LARGE = 500;
/** Messages at most: with 32 in one turn, Bun sends by itself. */
const GATHERED_MOST = 31;
/** A wait was in vain if nothing came later than this after what began it: milliseconds. */
const VAIN = 2;
/** Sends at most that go by before a channel waits again. */
const SPARED_MOST = 64;

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
  /** Sends that do not wait, now and after the last wait in vain. */
  spared: number;
  backoff: number;
}

export function createFanout(publish: Publish, rules: FanoutRules): Fanout {
  const { window, clock, nextTurn } = rules;
  const bursts = new WeakMap<Channel, Burst>();
  /** The channels with messages that wait. */
  const gathering = new Set<Channel>();

  function burstOf(channel: Channel): Burst {
    let burst = bursts.get(channel);
    if (burst === undefined) {
      const times = { since: 0, cameAt: 0, sentAt: -Infinity };
      burst = { messages: [], timer: undefined, ...times, sending: false, spared: 0, backoff: 0 };
      bursts.set(channel, burst);
    }
    return burst;
  }

  function send(channel: Channel, message: Message): void {
    if (channel.plain > 0) publish(channel.plainTopic, messageFrame(message));
    if (channel.v1 > 0) publish(channel.v1Topic, messageFrameV1(message));
  }

  /** Notes that this turn of the event loop ends with a send to everybody. */
  function begin(burst: Burst): void {
    burst.sentAt = clock();
    if (burst.sending) return;
    burst.sending = true;
    nextTurn(() => (burst.sending = false));
  }

  function flush(channel: Channel): void {
    if (!gathering.delete(channel)) return;
    const burst = burstOf(channel);
    clearTimeout(burst.timer);
    begin(burst);
    for (const message of burst.messages) send(channel, message);
    burst.messages.length = 0;
  }

  /** The end of a window. */
  function end(channel: Channel): void {
    const burst = burstOf(channel);
    const vain = burst.cameAt - burst.since <= VAIN;
    burst.backoff = vain ? Math.min(Math.max(1, 2 * burst.backoff), SPARED_MOST) : 0;
    burst.spared = burst.backoff;
    flush(channel);
  }

  return {
    message(channel, message) {
      if (window === 0 || channel.plain + channel.v1 < LARGE) {
        flush(channel);
        return send(channel, message);
      }
      const burst = burstOf(channel);
      if (burst.sending) return send(channel, message);
      const now = clock();
      if (!gathering.has(channel)) {
        const wait = burst.sentAt + window - now;
        if (wait <= 0 || burst.spared > 0) {
          if (wait > 0) burst.spared--;
          begin(burst);
          return send(channel, message);
        }
        burst.since = now;
        burst.timer = setTimeout(end, wait, channel);
        gathering.add(channel);
      }
      burst.cameAt = now;
      if (burst.messages.push(message) === GATHERED_MOST) flush(channel);
    },

    flush,

    flushAll() {
      for (const channel of gathering) flush(channel);
    },
  };
}
