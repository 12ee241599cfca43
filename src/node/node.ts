import type { Broker, BrokerEvents, EvictionReason } from "../broker/broker.ts";
import { HEARTBEAT_UNNAMED, IDENTITY_REFUSED, identityRefusedV1 } from "../protocol/encode.ts";
import {
  type Audience,
  type Channel,
  type Channels,
  groupOf,
  hold,
  letGo,
  publishTo,
} from "./channels.ts";
import { Fanout, type FanoutRules } from "./fanout.ts";
import { Presence, type PresenceData } from "./presence.ts";
import { type Connection, unname } from "./state.ts";

/** A socket or a stream that listens in a channel. Only the node calls its methods. */
export interface Listener {
  readonly channel: Channel;
  group: Connection["group"];
  send(frame: string): void;
  /** Receives the frames that are published on this topic from now on. */
  subscribe(topic: string): void;
}

/** A listener that can hold a name. */
export type Member = Listener & Connection;

/** Plain data, so that it survives a reload of the code. */
export interface NodeData {
  readonly channels: Channels;
  readonly presence: PresenceData<Listener>;
}

export function createNodeData(): NodeData {
  return { channels: new Map(), presence: new Map() };
}

export interface NodeOptions extends FanoutRules {
  /** Sends one frame to all subscribers of a topic. */
  readonly publish: Audience["publish"];
}

/**
 * One server process, between the broker and the edge. It owns the channels and their audiences, and
 * everything that a listener hears goes through it: in order, and after what its channel has gathered.
 */
export class Node {
  /** What the broker tells this node. */
  readonly events: BrokerEvents = {
    message: (id, message) => {
      const channel = this.#data.channels.get(id);
      if (channel === undefined) return;
      channel.told = message.id;
      this.#fanout.message(channel, message);
    },
    presence: (id, change) => this.#presence.change(id, change, this.#options.clock()),
    evicted: (_, holder, reason) => this.#evict(holder as Member, reason),
    gap: (id) => this.#tellGap(id),
  };
  readonly #data: NodeData;
  readonly #options: NodeOptions;
  readonly #fanout: Fanout;
  readonly #presence: Presence<Listener>;

  /** @param broker gives the broker, which is opened with this node's events */
  constructor(data: NodeData, options: NodeOptions, broker: () => Pick<Broker, "roster">) {
    this.#data = data;
    this.#options = options;
    this.#fanout = new Fanout(options);
    this.#presence = new Presence(data.presence, {
      roster: (channel, answer) => broker().roster(channel, answer),
      publish: (id, frame) => {
        const channel = data.channels.get(id);
        if (channel === undefined) return;
        this.#fanout.flush(channel);
        options.publish(presenceTopic(id), frame);
        // Not everyone watches, but whoever does not is only pinged a little more often.
        for (const group of channel.groups) group.sent += Buffer.byteLength(frame);
      },
      answer: (listener, frame) => {
        listener.subscribe(presenceTopic(listener.channel.id));
        this.tell(listener, frame);
      },
    });
  }

  /** The channel with this id, for a listener on its way in; {@link leave} gives it back. */
  arrive(id: string): Channel {
    return hold(this.#data.channels, id);
  }

  /** A listener is in its channel: it hears what is said from now on, and `greeting` before that. */
  enter(listener: Listener, audience: Audience, greeting: string): void {
    const { channel } = listener;
    this.#fanout.flush(channel);
    listener.group = groupOf(channel, audience);
    listener.group.count++;
    listener.subscribe(listener.group.topic);
    listener.send(greeting);
  }

  /** A listener is gone, whether it was in its channel or still on its way. */
  leave(listener: Listener): void {
    const { channel, group } = listener;
    if (group !== undefined) group.count--;
    listener.group = undefined;
    this.#presence.unwatch(channel.id, listener);
    letGo(this.#data.channels, channel);
  }

  /** Tells one listener something that comes after all that was said before. */
  tell(listener: Listener, frame: string): void {
    this.#fanout.flush(listener.channel);
    listener.send(frame);
  }

  /** Tells one listener something that has no order with what is said: a heartbeat, an ack. */
  signal(listener: Listener, frame: string): void {
    listener.send(frame);
  }

  /** Tells a listener who is in its channel, and every change from then on. */
  watch(listener: Listener): void {
    this.#presence.ask(listener.channel.id, listener);
  }

  /** Tells changes of presence that have waited long enough. Call it every 100 ms or so. */
  tick(): void {
    this.#presence.flush(this.#options.clock());
  }

  /** Sends all that the channels have gathered. */
  flush(): void {
    this.#fanout.flushAll();
  }

  /**
   * A member whose name went to another connection of its session does not get the session back by
   * asking again: the two would take turns for ever. If the name was only lost, it may ask again, as
   * after a missed heartbeat.
   */
  #evict(member: Member, reason: EvictionReason): void {
    unname(member);
    if (reason === "lost") return this.tell(member, HEARTBEAT_UNNAMED);
    member.session = undefined;
    this.tell(member, member.v1 ? identityRefusedV1("replaced") : IDENTITY_REFUSED);
  }

  #tellGap(id: string): void {
    const channel = this.#data.channels.get(id);
    if (channel === undefined) return;
    this.#fanout.flush(channel);
    for (const group of channel.groups) {
      const { count, audience } = group;
      if (count > 0 && audience.gap !== undefined) publishTo(group, audience.gap);
    }
  }
}

/** The topic of those who watch a channel's presence. */
function presenceTopic(channel: string): string {
  return `presence/${channel}`;
}
