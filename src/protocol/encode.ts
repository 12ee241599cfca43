import { ERRORS, type ErrorCode } from "./codes.ts";

/**
 * From facts to frames: the bytes that the server sends are made here and nowhere else. `outbound.ts`
 * describes the same frames as schemas, and the tests hold the two together.
 */

/**
 * A message that has its place in a channel.
 * `text` and `user` are JSON string literals, quotes included: encoded once, however often sent.
 */
export interface Message {
  /** Microseconds since the epoch, adjusted to rise strictly within a channel; below 2^53. */
  readonly id: number;
  /** The id before it in its channel; 0 if there is none. */
  readonly prev: number;
  /** When it was said: whole seconds since the epoch. The id may be ahead of it. */
  readonly timestamp: number;
  readonly text: string;
  readonly user: string;
}

function plainFields({ timestamp, text, user }: Message): string {
  return `"text":${text},"timestamp":${timestamp},"user":${user}`;
}

function v1Fields(message: Message): string {
  return `${plainFields(message)},"id":${message.id},"prev":${message.prev}`;
}

export function messageFrame(message: Message): string {
  return `{"type":"message",${plainFields(message)}}`;
}

export function messageFrameV1(message: Message): string {
  return `{"type":"message",${v1Fields(message)}}`;
}

export function connectionFrame(channel: string): string {
  return `{"type":"connection","id":${JSON.stringify(channel)}}`;
}

/** The server's settings that a client with the subprotocol receives at the start. */
export interface Terms {
  /** Seconds between two heartbeats. */
  readonly heartbeat: number;
  readonly limits: {
    /** Code points in a message. */
    readonly text: number;
    /** Frames a second over time (0: no limit), and at once. */
    readonly rate: number;
    readonly burst: number;
    /** Messages that are kept of a channel. */
    readonly history: number;
  };
}

/** @param last the channel's last id, 0 if there is none */
export function connectionFrameV1(channel: string, last: number, terms: Terms): string {
  const { heartbeat, limits } = terms;
  return JSON.stringify({ type: "connection", id: channel, last, heartbeat, limits });
}

export const HEARTBEAT_NAMED = '{"type":"heartbeat","authenticated":"true"}';
export const HEARTBEAT_UNNAMED = '{"type":"heartbeat","authenticated":"false"}';
export const IDENTITY_GRANTED = '{"type":"identity","success":"true"}';
export const IDENTITY_REFUSED = '{"type":"identity","success":"false"}';

export function identityFrameV1(user: string, session: string): string {
  return JSON.stringify({ type: "identity", success: "true", user, session });
}

export function identityRefusedV1(code: ErrorCode): string {
  return JSON.stringify({ type: "identity", success: "false", code, message: ERRORS[code] });
}

/**
 * @param ref of the message that was rejected, if it had one
 * @param message a sentence for people
 */
export function errorFrame(code: ErrorCode, ref?: string, message: string = ERRORS[code]): string {
  return JSON.stringify({ type: "error", code, message, ref });
}

export function ackFrame(ref: string, id: number): string {
  return `{"type":"ack","ref":${JSON.stringify(ref)},"id":${id}}`;
}

/** Most bytes of a history frame, unless its first message alone is longer. */
export const PAGE_BYTES = 256 * 1024;

/** Messages of a channel's history, oldest first. */
export interface Page {
  readonly messages: readonly Message[];
  /** Whether the chain of `prev` is broken between the `after` of the request and the page. */
  readonly gap: boolean;
  /** Whether more is kept in the direction of the request. */
  readonly more: boolean;
}

/**
 * A page as one frame of at most 256 KiB, or of one message. Messages that do not fit are left out
 * at the far end: the newest of a page that goes forward, the oldest of one that goes back.
 */
export function historyFrame(page: Page, forward: boolean): string {
  const { messages } = page;
  const parts: string[] = [];
  let bytes = 64;
  for (let at = 0; at < messages.length; at++) {
    const message = messages[forward ? at : messages.length - 1 - at]!;
    const part = `{${v1Fields(message)}}`;
    bytes += Buffer.byteLength(part) + 1;
    if (bytes > PAGE_BYTES && at > 0) break;
    parts.push(part);
  }
  if (!forward) parts.reverse();
  const more = page.more || parts.length < messages.length;
  return `{"type":"history","messages":[${parts.join(",")}],"gap":"${page.gap}","more":"${more}"}`;
}

/** Everyone in a channel. Without `names`, there are too many to name. */
export function rosterFrame(count: number, names?: readonly string[]): string {
  return JSON.stringify({ type: "presence", count, names });
}

export function presenceFrame(
  count: number,
  joined: readonly string[],
  left: readonly string[],
): string {
  return JSON.stringify({ type: "presence", count, joined, left });
}
