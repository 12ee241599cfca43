import type { Message, Page } from "../protocol/encode.ts";
import type { Name } from "../protocol/names.ts";

/**
 * The port to whatever orders messages, keeps them, and says who holds which name. A broker in
 * this process answers in the same tick, one behind a disk or a network with a promise.
 *
 * Everything that connections have to be told comes back through {@link BrokerEvents}, also what
 * this node itself has asked for, so that one node and many take the same path. What a channel is
 * told, and the answers about it, come in one order.
 */

export type Awaitable<T> = T | Promise<T>;

/**
 * Who holds a name: an object of the caller's, compared by identity. The broker keeps it, tells it
 * back in {@link BrokerEvents.replaced}, and never looks inside.
 */
export type Holder = object;

/** What somebody says. `text` and `user` are JSON string literals. */
export interface Draft {
  readonly text: string;
  readonly user: string;
  /** With a `ref`, the message is posted once for this session, ref and channel. */
  readonly session?: string | undefined;
  readonly ref?: string | undefined;
}

/**
 * Why there is no id for a draft. "unavailable": it surely was not posted, and may be tried again.
 * "unknown": nobody can say whether it was; with the same ref it is posted once if tried again.
 */
export type PublishFault = "ref_reused" | "unavailable" | "unknown";

export interface Claim {
  readonly holder: Holder;
  readonly name: Name;
  /** The key of the name that the holder has now, which it gives up once it has the new one. */
  readonly held: string | undefined;
  /** The id of the session in which the name is asked for; none for a plain client. */
  readonly session: string | undefined;
}

export interface Release {
  readonly holder: Holder;
  readonly key: string;
  /** Whether the holder may come back: its session alone can take the name for some time. */
  readonly keep: boolean;
}

/** What changed about who is in a channel. A rename has both a `joined` and a `left`. */
export interface PresenceChange {
  /** Connections in the channel now, those without a name too. */
  readonly count: number;
  readonly joined?: string | undefined;
  readonly left?: readonly string[];
}

/** A request for a page of history: after an id, before an id, or the newest. */
export interface HistoryQuery {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  /** Messages at most. */
  readonly limit: number;
}

/** Everyone in a channel. */
export interface Roster {
  /** Connections, those without a name too. */
  readonly count: number;
  readonly names?: readonly string[];
}

export interface BrokerEvents {
  /** A message is safe, has its place, and goes to everyone in the channel. */
  message(channel: string, message: Message): void;
  /** Somebody came, went or took a name. */
  presence(channel: string, change: PresenceChange): void;
  /** This holder's name went to another connection of its session, or its lease was lost. */
  replaced(channel: string, holder: Holder): void;
}

export interface Broker {
  /** What signs the sessions: one on all nodes, and across restarts where there is a store. */
  readonly secret: Uint8Array;
  /**
   * A connection comes into a channel.
   * @returns the id of the channel's last message, 0 where there is none
   */
  join(channel: string): Awaitable<number>;
  /** A connection is gone. Its name is released by {@link Broker.release}, before this. */
  leave(channel: string): void;
  /** @returns the message's id, or why it was not posted; the first id for a ref that was seen */
  publish(channel: string, draft: Draft): Awaitable<number | PublishFault>;
  /**
   * Takes a name if it is free, the holder's own, or of the holder's session: held by another of
   * its connections, which hears `replaced`, or kept for it. Other names that are kept for the
   * session are free then.
   * @returns whether the holder has the name now
   */
  claim(channel: string, claim: Claim): Awaitable<boolean>;
  release(channel: string, release: Release): void;
  /** Frees the names that are kept for a session: its client wants none, or has another. */
  giveUp(channel: string, session: string): void;
  /** The messages after an id, before an id, or the newest: oldest first, `limit` at most. */
  history(channel: string, query: HistoryQuery): Awaitable<Page>;
  /** Everyone in a channel, as of the events told by then. */
  roster(channel: string): Awaitable<Required<Roster>>;
  /** Holds on to what this node has, and ends what has run out. To be called about every second. */
  renew(): void;
  /** Finishes what is under way. */
  close(): Awaitable<void>;
}

/** The clock of a broker: milliseconds since the epoch. It may step back. */
export type Clock = () => number;
