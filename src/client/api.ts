/** What the client library offers: see connect() in client.ts. */

/**
 * The state of a chat: "connecting"; "open", in its channel; "waiting" for the next attempt to
 * connect; "offline", according to the browser (attempts continue); or "closed" for good by close().
 */
export type ChatState = "connecting" | "open" | "waiting" | "offline" | "closed";

/** A message of the channel. */
export interface ChatMessage {
  text: string;
  user: string;
  /** Unix time in seconds. */
  timestamp: number;
  /** Microseconds since the epoch, rising within a channel. Missing on the plain protocol. */
  id?: number;
  /**
   * The id before it in its channel; 0: none. Removals have ids, too. In a page, those between its
   * messages are left out. Missing on the plain protocol.
   */
  prev?: number;
  /** On a message that this client sent: the ref that send() returned. */
  ref?: string;
  /** Whether it comes late, from the history: mostly because the connection was lost. */
  missed?: true;
  /** Whether its author has removed it. Then its text is empty. */
  removed?: true;
}

/** A message was removed: its text is gone. */
export interface RemovedEvent {
  /** The id of that message. */
  id: number;
  /** Its author. */
  user: string;
}

export interface StateEvent {
  state: ChatState;
  /** When the next attempt is due, like `Date.now()`; while "waiting" or "offline". */
  retryAt?: number;
  /** Why there is no connection: the server is "stopping", or it was "lost" or never made. */
  reason?: "stopping" | "lost";
  /** What the server says to a connection that it refuses: a sentence for people. */
  detail?: string;
  /** Whether the server only speaks the plain protocol: no ids, no acks, no history. */
  plain: boolean;
}

/** Who is in the channel: always the full roster. */
export interface PresenceEvent {
  /** Connections, with and without a name. */
  count: number;
  /** undefined: too many to list. */
  names: string[] | undefined;
}

/** Messages are missing here, and the server no longer has them. */
export interface GapEvent {
  /** The last id before the gap; 0 if unknown. */
  after: number;
  /** The first id after the gap, if known. */
  next?: number;
}

export interface ChatError {
  code: string;
  /** A sentence for people. */
  message: string;
  /** The ref of the message that was rejected. */
  ref?: string;
}

/** The answer to identify(). `user` is the name as the server shows it. */
export type Identified = { ok: true; user: string } | { ok: false; code: string; message: string };

/** The outcome of a message, or of its removal. `id` is missing on the plain protocol. */
export type Sent = { ok: true; id?: number } | { ok: false; code: string; message: string };

export interface HistoryQuery {
  /** Only messages before this id: the newest of them. */
  before?: number;
  /** Only messages after this id: the oldest of them. Not together with `before`. */
  after?: number;
  /** The messages on both sides of this id, and its own. Not together with the others. */
  around?: number;
  /** Messages at most, 1 to 200; default: 50. */
  limit?: number;
}

/** Messages, oldest first. A page without any is the last one. */
export interface HistoryPage {
  messages: ChatMessage[];
  /** Whether messages are missing between `after` and these. */
  gap: boolean;
  /** Whether there are more in the requested direction. */
  more: boolean;
  /** Of a page around an id: whether there are more before it, and after it. */
  before?: boolean;
  after?: boolean;
}

export interface SearchQuery {
  /** Words, `"phrases in quotes"`, `begin*` and `from:name`; 1 to 200 UTF-16 code units. */
  query: string;
  /** Only messages before this id. */
  before?: number;
  /** Messages at most, 1 to 200; default: 50. */
  limit?: number;
}

/** The messages that a search has found, newest first. */
export interface SearchPage {
  messages: ChatMessage[];
  /** Whether there are more before these. */
  more: boolean;
}

export interface ChatOptions {
  /** The session of an earlier chat, from its "session" event. It is a secret. */
  session?: string | undefined;
  /** A name to take at once. */
  name?: string | undefined;
  /** How many of the newest messages to start with, 0 to 200; default: 50. */
  history?: number;
  /** Starts with the messages after this id, as "message" events, without a "history" event. */
  after?: number;
  /** Whether to receive presence events; default: false. */
  presence?: boolean;
  /** Replaces the global WebSocket. */
  webSocket?: typeof WebSocket;
  /** Replaces Math.random: at least 0, below 1. */
  random?: () => number;
}

export interface ChatEvents {
  message: ChatMessage;
  /** A message was removed; also for what was removed while there was no connection. */
  removed: RemovedEvent;
  /** The first page, before any message. */
  history: HistoryPage;
  presence: PresenceEvent;
  state: StateEvent;
  gap: GapEvent;
  /** A message was rejected for good, or something that no call is waiting for. */
  error: ChatError;
  /** Another connection with this session took the name. The client does not take it back. */
  replaced: { message: string };
  /** The name has changed, or is gone. Reconnecting does not change it. */
  identity: { user: string | undefined };
  /** The session to save for the next chat. */
  session: { session: string };
  /** The server's limits: code points in a message, frames a second and at once, stored messages. */
  limits: { text: number; rate: number; burst: number; history: number };
}

/** One person's place in one channel, over as many connections as it takes. */
export interface Chat {
  readonly state: ChatState;
  /** Your name, as the server shows it. */
  readonly user: string | undefined;
  /** The id of the last message that was delivered; 0 before any. */
  readonly last: number;
  readonly session: string | undefined;
  /** Whether the server only speaks the plain protocol. */
  readonly plain: boolean;
  /** Calls the listener for each event of this kind. @returns a function that removes it */
  on<K extends keyof ChatEvents>(event: K, listener: (event: ChatEvents[K]) => void): () => void;
  /**
   * Takes a name, or changes it; waits for a connection if there is none. A name that this session
   * has on another connection is taken over from there.
   *
   * @returns the server's answer; codes include name_taken, name_invalid and closed
   */
  identify(name: string): Promise<Identified>;
  /**
   * Sends a message. Messages go out one after the other, and again after a lost connection, until
   * the server has acknowledged or rejected each. Without a name they are rejected; if someone else
   * took the name, they wait for the next one.
   *
   * @returns the message's ref and its outcome; codes include not_identified, text_too_long,
   *   text_blank and closed
   */
  send(text: string): { readonly ref: string; readonly sent: Promise<Sent> };
  /**
   * Removes a message that was sent in this session: its text is then gone for everybody. A removal
   * goes out like a message, after those that still wait, and again after a lost connection.
   *
   * @param id the message's
   * @returns the outcome; codes include forbidden, not_found, not_identified, unsupported (on the
   *   plain protocol) and closed
   */
  remove(id: number): Promise<Sent>;
  /** Gives up the name. Messages that still wait are then rejected. */
  leave(): Promise<void>;
  /**
   * A page of the channel's history; an empty one on the plain protocol.
   *
   * @throws Error if the query is rejected or the chat is closed
   */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Searches the channel's history; finds nothing on the plain protocol.
   *
   * @throws Error if the query is rejected or the chat is closed
   */
  search(query: SearchQuery): Promise<SearchPage>;
  /** Ends the chat for good. */
  close(): void;
}
