import { type Message, messageFrame, messageFrameV1 } from "./protocol/codec.ts";
import type { Channel } from "./state.ts";

/** From one event to everyone in a channel: each encoding is made once, and only if it is read. */
export interface Fanout {
  message(channel: Channel, message: Message): void;
}

/** Sends one frame to all subscribers of a topic. */
export type Publish = (topic: string, frame: string) => void;

export function createFanout(publish: Publish): Fanout {
  return {
    message(channel, message) {
      if (channel.plain > 0) publish(channel.plainTopic, messageFrame(message));
      if (channel.v1 > 0) publish(channel.v1Topic, messageFrameV1(message));
    },
  };
}
