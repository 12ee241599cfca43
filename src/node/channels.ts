import type { Message } from "../protocol/encode.ts";

/** The channels that have a listener on this node, and the audiences in them. */

/**
 * What a channel's listeners of one kind share: how a message is encoded for them, and how they are
 * reached. Sockets of each protocol are an audience, and a stream would be another.
 */
export interface Audience {
  /** Names the kind in topics: "plain", "v1". */
  readonly kind: string;
  /** The frame of a message, made once for all who listen. */
  encode(message: Message): string;
  /** Sends a frame to everyone who listens on a topic, in one call. */
  publish(topic: string, frame: string): void;
  /** The frame about missing messages; undefined if `prev` tells of them in the next message. */
  readonly gap: string | undefined;
}

/** The listeners of one audience in one channel. */
export interface Group {
  readonly audience: Audience;
  readonly topic: string;
  count: number;
  /** Bytes that were published to each of them. */
  sent: number;
}

/** A channel with at least one listener on this node, or one on its way in. */
export interface Channel {
  readonly id: string;
  readonly groups: Group[];
  /** The id of the last message that this node has heard of in it; 0 before any. */
  told: number;
  /** Listeners that are in it or on their way in; it is forgotten with the last one. */
  held: number;
}

export type Channels = Map<string, Channel>;

/** The channel with this id for a listener on its way in; {@link letGo} gives it back. */
export function hold(channels: Channels, id: string): Channel {
  const channel = channels.getOrInsertComputed(id, () => ({
    id,
    groups: [],
    told: 0,
    held: 0,
  }));
  channel.held++;
  return channel;
}

export function letGo(channels: Channels, channel: Channel): void {
  if (--channel.held === 0) channels.delete(channel.id);
}

/** The channel's group of an audience; its first listener creates it. */
export function groupOf(channel: Channel, audience: Audience): Group {
  let group = channel.groups.find((one) => one.audience === audience);
  if (group === undefined) {
    group = { audience, topic: `${audience.kind}/${channel.id}`, count: 0, sent: 0 };
    channel.groups.push(group);
  }
  return group;
}

/** Sends a frame to everyone in a group. */
export function publishTo(group: Group, frame: string): void {
  group.sent += Buffer.byteLength(frame);
  group.audience.publish(group.topic, frame);
}

/** The number of listeners in a channel. */
export function listenersOf({ groups }: Channel): number {
  let count = 0;
  for (const group of groups) count += group.count;
  return count;
}
