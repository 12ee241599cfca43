/** What the client library offers: see connect() in client.ts. */

/**
 * Where a chat stands: "connecting"; "open", in its channel; "waiting" for the next try to connect;
 * "offline", as the browser says (it goes on trying); or "closed" for good by close().
 */
export type ChatState = "connecting" | "open" | "waiting" | "offline" | "closed";

/** A message of the channel. */
export interface ChatMessage {
  text: string;
  user: string;
  /** Unix time in seconds. */
  timestamp: number;
  /** Microseconds since the epoch, rising within a channel. None on the plain protocol. */
  id?: number;
  /** The id before it in its channel; 0 where there is none. None on the plain protocol. */
  prev?: number;
  /** On a message that this client has sent: what send() has returned. */
  ref?: string;
  /** Whether it comes late, from the history: mostly since there was no connection when it was said. */
  missed?: true;
}

export interface StateEvent {
  state: ChatState;
  /** When the next try to connect is due, as of `Date.now()`; while "waiting" or "offline". */
  retryAt?: number;
  /** Why there is no connection: the server is "stopping", or it was "lost" or never made. */
  reason?: "stopping" | "lost";
  /** Whether the server speaks the plain protocol alone: no ids, no acks, no history. */
  plain: boolean;
}

/** Who is in the channel: always the whole picture. */
export interface PresenceEvent {
  /** Connections, those without a name too. */
  count: number;
  /** undefined: too many to name. */
  names: string[] | undefined;
}

/** Messages are missing here, and the server does not have them any more. */
export interface GapEvent {
  /** The last id before the gap; 0 where none is known. */
  after: number;
  /** The first id after it, where one is known. */
  next?: number;
}

export interface ChatError {
  code: string;
  /** A sentence for people. */
  message: string;
  /** Of the message that was refused. */
  ref?: string;
}

/** The answer to identify(). `user` is the name as the server shows it. */
export type Identified = { ok: true; user: string } | { ok: false; code: string; message: string };

/** What became of a message. `id` is missing on the plain protocol. */
export type Sent = { ok: true; id?: number } | { ok: false; code: string; message: string };

export interface HistoryQuery {
  /** Only messages before this id: the newest of them. */
  before?: number;
  /** Only messages after this id: the oldest of them. Not together with `before`. */
  after?: number;
  /** Messages at most, 1 to 200; usually 50. */
  limit?: number;
}

/** Messages as they were said, oldest first. */
export interface HistoryPage {
  messages: ChatMessage[];
  /** Whether messages are missing between `after` and these. */
  gap: boolean;
  /** Whether there are more in the direction that was asked for. */
  more: boolean;
}

export interface ChatOptions {
  /** The session of an earlier chat, as its "session" event told it. It is a secret. */
  session?: string | undefined;
  /** A name to take at once. */
  name?: string | undefined;
  /** How many of the newest messages to begin with, 0 to 200; usually 50. */
  history?: number;
  /** Begins with the messages after this id, as "message" events, and with no "history" event. */
  after?: number;
  /** Whether to be told who is in the channel; usually not. */
  presence?: boolean;
  /** Instead of the global WebSocket. */
  webSocket?: typeof WebSocket;
  /** Instead of Math.random: at least 0, below 1. */
  random?: () => number;
}

export interface ChatEvents {
  message: ChatMessage;
  /** The first page, before any message. */
  history: HistoryPage;
  presence: PresenceEvent;
  state: StateEvent;
  gap: GapEvent;
  /** Something was refused that nobody awaits the answer of, or a message was refused for good. */
  error: ChatError;
  /** Another connection with this session took the name. It is not taken back. */
  replaced: { message: string };
  /** The name has changed, or is gone. It stays while the connection is being made again. */
  identity: { user: string | undefined };
  /** The session to keep for the next chat. */
  session: { session: string };
  /** The server's settings: code points in a message, frames a second and at once, kept messages. */
  limits: { text: number; rate: number; burst: number; history: number };
}

/** One person's place in one channel, over as many connections as it takes. */
export interface Chat {
  readonly state: ChatState;
  /** One's own name as the server shows it. */
  readonly user: string | undefined;
  /** The id of the last message that was delivered; 0 before any. */
  readonly last: number;
  readonly session: string | undefined;
  /** Whether the server speaks the plain protocol alone. */
  readonly plain: boolean;
  /** Calls the listener at each event of this name. @returns a function that ends it */
  on<K extends keyof ChatEvents>(event: K, listener: (event: ChatEvents[K]) => void): () => void;
  /**
   * Asks for a name, or for another one; waits for a connection if there is none. A name that this
   * session holds elsewhere is taken over from there.
   *
   * @returns the server's answer; codes among others: name_taken, name_invalid, closed
   */
  identify(name: string): Promise<Identified>;
  /**
   * Says something. Messages go out one after the other, and again after a lost connection, until
   * the server has acknowledged or refused each. Without a name they are refused; if the name was
   * lost to another, they wait for the next one.
   *
   * @returns what the message is known by, and what became of it; codes among others:
   *   not_identified, text_too_long, text_blank, closed
   */
  send(text: string): { readonly ref: string; readonly sent: Promise<Sent> };
  /** Gives the name up. Messages still on their way are then refused. */
  leave(): Promise<void>;
  /**
   * A page of the channel's history; an empty one on the plain protocol.
   *
   * @throws Error where the query is refused, or the chat is closed
   */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /** Ends the chat for good. */
  close(): void;
}
