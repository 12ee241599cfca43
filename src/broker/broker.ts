import type { Message, Page } from "../protocol/encode.ts";
import type { Name } from "../protocol/names.ts";

/**
 * The port to whatever orders messages, keeps them, and decides who holds which name.
 *
 * **Answers and events come in one order.** Each call takes a callback, and the broker runs it in the
 * same sequence as its {@link BrokerEvents}: when an answer comes, every event that it takes into
 * account has been told, and no later one. A broker in this process answers before the call returns;
 * one behind a disk or a network answers later, and calls on one channel take effect in the order in
 * which they were made. A promise could not keep that order, since it resumes a microtask after the
 * events that came meanwhile.
 *
 * Everything that connections are told comes back through the events, also what this node itself
 * asked for, so one node and many take the same path.
 */
export interface Broker {
  /** The key that signs sessions: one on all nodes, and across restarts if there is a store. */
  readonly secret: Uint8Array;
  /**
   * A connection comes into a channel.
   * @param answer gets the id of the channel's last message, 0 if there is none, and whether the
   *   broker knows of no message in it
   */
  join(channel: string, answer: JoinAnswer): void;
  /** A connection is gone. Its name is released by {@link Broker.release}, before this. */
  leave(channel: string): void;
  /** Posts a message. The answer gets the draft back, so that one callback serves all drafts. */
  publish(channel: string, draft: Draft, answer: PublishAnswer): void;
  /**
   * Takes a name if it is free, the holder's own, or of the holder's session: held by another of
   * its connections, which is evicted, or kept for it. Other names that are kept for the session
   * become free.
   * @param answer gets whether the holder has the name now
   */
  claim(channel: string, claim: Claim, answer: Answer<boolean>): void;
  /** Frees a name, or keeps it for its session. */
  release(channel: string, release: Release, answer?: Answer<void>): void;
  /** Frees the names that are kept for a session: its client wants none, or has another. */
  giveUp(channel: string, session: string, answer?: Answer<void>): void;
  /**
   * Finds the messages after an id, before an id, or the newest: oldest first, `limit` at most.
   * @param answer gets undefined if the store cannot be read
   */
  history(channel: string, query: HistoryQuery, answer: Answer<Page | undefined>): void;
  /** Finds the messages that have everything that a search names, the newest first. */
  search(channel: string, query: SearchQuery, answer: Answer<Found | undefined>): void;
  /** Removes the text of a message, by an entry of the chain with an id of its own. */
  remove(channel: string, removal: Removal, answer: Answer<number | RemovalFault>): void;
  /** Counts and lists everyone in a channel. */
  roster(channel: string, answer: Answer<Roster>): void;
  /** Holds on to what this node has, and ends what has expired. Call it about every second. */
  renew(): void;
  /** How the broker is. It never ends the process: whoever opened it decides. */
  status(): BrokerStatus;
  /** Lets go of this load of the code, but of nothing that the next load goes on with. */
  dispose(): void;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

export interface BrokerEvents {
  /** A message is safe, has its place, and goes to everyone in the channel. */
  message(channel: string, message: Message): void;
  /** Somebody came, went or changed their name. */
  presence(channel: string, change: PresenceChange): void;
  /** This holder has lost its name. */
  evicted(channel: string, holder: Holder, reason: EvictionReason): void;
  /** Messages of this channel are missing, and the broker cannot get them any more. */
  gap(channel: string): void;
}

/** Receives an answer; see {@link Broker} for when. */
export type Answer<T> = (answer: T) => void;

/** Receives what is known of a channel at the moment in which a connection comes into it. */
export type JoinAnswer = (last: number, silent: boolean) => void;

/** Receives the id of a message, or why it was not posted; the first id for a known `ref`. */
export type PublishAnswer = (answer: number | PublishFault, draft: Draft) => void;

/**
 * Who holds a name: an object of the caller's, compared by identity. The broker keeps it, gives it
 * back in its events, and never looks inside.
 */
export type Holder = object;

/** A message to be posted. `text` and `user` are JSON string literals. */
export interface Draft {
  /** The holder of the name `user`, so that a shared store can refuse one whose name was lost. */
  readonly holder: Holder;
  readonly text: string;
  readonly user: string;
  /** The author's network, which pays for what the broker remembers; undefined if it is private. */
  readonly network?: string | undefined;
  /** With a `ref`, the message is posted once for this session, ref and channel. */
  readonly session?: string | undefined;
  readonly ref?: string | undefined;
  /** The message that it removes; see {@link Broker.remove}. */
  readonly deletes?: number | undefined;
}

/**
 * Why a draft has no id. "not_identified": its holder has lost the name. "unavailable": it surely was
 * not posted, and may be tried again. "unknown": it may have been posted; with the same ref it can be
 * tried again and is posted once.
 */
export type PublishFault = "ref_reused" | "not_identified" | "unavailable" | "unknown";

/** What removes a message, from the session that posted it. */
export interface Removal extends Omit<Draft, "text" | "user" | "session" | "deletes"> {
  readonly session: string;
  /** The id of the message. */
  readonly id: number;
}

/** "not_found": it is not kept, or removed already. "forbidden": another session has posted it. */
export type RemovalFault = PublishFault | "not_found" | "forbidden";

export interface Claim {
  readonly holder: Holder;
  readonly name: Name;
  /** The key of the holder's present name, which becomes free once it has the new one. */
  readonly held: string | undefined;
  /** The id of the session that asks for the name; none for a plain client. */
  readonly session: string | undefined;
}

export interface Release {
  readonly holder: Holder;
  readonly key: string;
  /** Whether the holder may come back: only its session can take the name for some time. */
  readonly keep: boolean;
  /** The holder's network, which pays for a name that is kept; undefined if it is private. */
  readonly network?: string | undefined;
}

/**
 * Why a holder lost its name. "replaced": another connection of its session took it. "lost": the node
 * lost its hold on it, as when it was cut off from a store for too long.
 */
export type EvictionReason = "replaced" | "lost";

/** A change of who is in a channel. A rename has both a `joined` and a `left`. */
export interface PresenceChange {
  /** Connections in the channel now, those without a name too. */
  readonly count: number;
  readonly joined?: string | undefined;
  readonly left?: readonly string[];
}

/** More names than this are counted, but not listed. */
export const MAX_ROSTER = 1000;

/** Everyone in a channel. */
export interface Roster {
  /** Connections, those without a name too. */
  readonly count: number;
  /** How many names are taken. */
  readonly named: number;
  /** All of them as they are shown; undefined if there are more than {@link MAX_ROSTER}. */
  readonly names: readonly string[] | undefined;
}

/** A request for a page of history: after an id, before an id, around an id, or the newest. */
export interface HistoryQuery {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly around?: number | undefined;
  /** Messages at most. */
  readonly limit: number;
}

/** A request for what a search finds, before an id or at all. */
export interface SearchQuery {
  /** What somebody typed; see `searchOf` in words.ts. */
  readonly query: string;
  readonly before?: number | undefined;
  /** Messages at most. */
  readonly limit: number;
}

/** What a search has found, the newest first. */
export interface Found {
  readonly messages: readonly Message[];
  /** Whether there is more before it. */
  readonly more: boolean;
}

/**
 * "ready": all is well. "failing": it refuses messages, and recovers by itself. "broken": it cannot go
 * on, and only a restart helps.
 */
export type BrokerStatus =
  { readonly state: "ready" } | { readonly state: "failing" | "broken"; readonly reason: string };

/** What every broker of one process is opened with. */
export interface BrokerOptions {
  readonly rules: BrokerRules;
  /** Milliseconds on a clock that never steps back: how long things are kept. */
  readonly clock: () => number;
  /** Milliseconds since the epoch, which may step: the ids and timestamps of messages. */
  readonly date: () => number;
  readonly events: BrokerEvents;
}

export interface BrokerRules {
  readonly history: {
    /** Messages kept of a channel; 0 for none. */
    readonly limit: number;
    /** How long an empty channel is remembered, in milliseconds; Infinity for no limit. */
    readonly ttl: number;
    /** Bytes of memory over all channels. */
    readonly memory: number;
    /** How old a message gets, in milliseconds; by default there is no limit. */
    readonly age?: number;
    /** Bytes of a database; by default there is no limit. */
    readonly size?: number;
  };
  readonly names: {
    /** How long a name is kept for its session, in milliseconds; 0 for not at all. */
    readonly grace: number;
    /** How long it must have been held for that, in milliseconds. */
    readonly heldFor: number;
  };
}

/**
 * Gives a draft its place after `prev`. Its id is the time in microseconds, or the next number while
 * the time is not past `prev`.
 * @param now milliseconds since the epoch
 */
export function messageAfter(prev: number, now: number, draft: Draft): Message {
  const { text, user, session, deletes } = draft;
  const id = Math.max(prev + 1, now * 1000);
  const message = { id, prev, timestamp: Math.floor(now / 1000), text, user, session };
  return deletes === undefined ? message : { ...message, deletes };
}
