import { type Message, messageFrame, messageFrameV1 } from "./protocol/codec.ts";
import type { Channel } from "./state.ts";

/**
 * From one event to everyone in a channel: each encoding is made once, and only if it is read.
 *
 * A send costs the kernel about the same however many frames it carries, and what is published in
 * one tick is one send a socket. So a large channel gathers: a message that finds it quiet goes out
 * at once; those that follow within the window go out together, in their order, at its end. It ends
 * early when no more come: after three times the usual pause between two of them. At one message now
 * and then nothing waits; the busier it is, the more each send carries.
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
}

/** Connections from which on a channel gathers: with fewer, a send less is not worth the wait. */
const LARGE = 500;
/** Messages at most: with 32 in one tick, Bun sends by itself. */
const GATHERED_MOST = 31;
/** How often it is seen whether a window has ended, and the least pause that ends one: ms. */
const LOOK = 2;
/** Pauses after which no more are expected, and how many are averaged. */
const PAUSES = { missing: 3, averaged: 8 };

export function createFanout(publish: Publish, { window, clock }: FanoutRules): Fanout {
  const gathering = new Set<Channel>();
  let timer: Timer | undefined;

  function send(channel: Channel, message: Message): void {
    if (channel.plain > 0) publish(channel.plainTopic, messageFrame(message));
    if (channel.v1 > 0) publish(channel.v1Topic, messageFrameV1(message));
  }

  function flush(channel: Channel): void {
    if (channel.gathered.length === 0) return;
    for (const message of channel.gathered) send(channel, message);
    channel.gathered.length = 0;
    channel.sentAt = clock();
    gathering.delete(channel);
  }

  function look(): void {
    const now = clock();
    for (const channel of gathering) {
      const pause = Math.max(LOOK, PAUSES.missing * channel.pause);
      if (now - channel.sentAt >= window || now - channel.cameAt >= pause) flush(channel);
    }
    timer = gathering.size > 0 ? setTimeout(look, LOOK) : undefined;
  }

  return {
    message(channel, message) {
      if (window === 0 || channel.plain + channel.v1 < LARGE) {
        flush(channel);
        return send(channel, message);
      }
      const now = clock();
      const pause = Math.min(now - channel.cameAt, window);
      channel.pause += (pause - channel.pause) / PAUSES.averaged;
      channel.cameAt = now;
      if (channel.gathered.length === 0 && now - channel.sentAt >= window) {
        channel.sentAt = now;
        return send(channel, message);
      }
      channel.gathered.push(message);
      if (channel.gathered.length === GATHERED_MOST) return flush(channel);
      gathering.add(channel);
      timer ??= setTimeout(look, LOOK);
    },

    flush,

    flushAll() {
      clearTimeout(timer);
      timer = undefined;
      for (const channel of gathering) flush(channel);
    },
  };
}
