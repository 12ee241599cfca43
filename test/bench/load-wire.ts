import { SUBPROTOCOL } from "../../src/protocol/limits.ts";

/**
 * The part of WebSocket (RFC 6455) that a load generator needs: it finds and counts frames in the
 * bytes, and does not decode them. A client that did would be busier than the server it measures.
 */

/** What a server under load speaks. */
export interface Dialect {
  readonly name: string;
  readonly subprotocol?: string;
  /** Where a channel is; default: below the URL's path. */
  readonly pathOf?: (channel: string) => string;
  /** Whether nothing arrives before the first message, and there are no names. */
  readonly silent?: true;
  /** What precedes and follows the JSON of a frame; its last bracket is part of `after`. */
  readonly before: string;
  readonly after: string;
  /** What follows the text in a sent message. */
  readonly tail: string;
  /** What a text frame is whose payload begins here. */
  readonly kindOf: (bytes: Uint8Array, start: number) => Kind;
}

/**
 * What a frame means to the load. "welcome" answers the last step before talking; bytes are the
 * answer that the frame needs.
 */
export type Kind = "message" | "connection" | "welcome" | "error" | "other" | Uint8Array;

const FRAME = '{"type":"message","text":"';

/** A text starts with its sender's number and the time at which it was due, both in digits. */
const SENDER = 5;
const TIME = 10;
/** Shortest text of a message, in characters. */
export const LEAST_TEXT = SENDER + TIME;
const TALK = "Any fish today? The tide turns at six and the wind is fair. ";
/** Bytes of a payload that {@link scan} shows at once, if it is that long. */
const HEAD = 64;
const LONGEST_HEADER = 10;
/** Most messages in one write. */
export const BATCH = 16;

/** Connections from one address. */
const PORTS = 5000;

/**
 * The address to connect from. Each has 28,000 ports towards a server, and when half of them are
 * taken, the kernel takes long to find a free one. On Linux all of 127.0.0.0/8 is available. Bun
 * passes the option on as Node does, though its types lack it.
 */
export function sourceOf(hostname: string, index: number): { localAddress?: string } {
  if (process.platform !== "linux" || !hostname.startsWith("127.")) return {};
  return { localAddress: `127.0.0.${1 + Math.floor(index / PORTS)}` };
}

/** The request that asks for a WebSocket. */
export function handshake(host: string, path: string, { subprotocol }: Dialect): string {
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64");
  const offer = subprotocol === undefined ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  return (
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${offer}\r\n`
  );
}

const TEXT_FRAME = 0x81;

/** A frame of a client. The mask is zero: it only protects proxies, and costs time here. */
export function clientFrame(payload: string | Uint8Array, first = TEXT_FRAME): Uint8Array {
  const body = typeof payload === "string" ? Buffer.from(payload) : payload;
  const { length } = body;
  const header = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([first, ...header, 0, 0, 0, 0]), body]);
}

/**
 * The bytes of messages, made once; only the sender and the time are rewritten.
 * @returns bytes that are valid until the next call
 */
export type Stamp = (count: number, sender: number, micros: number) => Uint8Array;

/** @param textLength characters of a message's text, {@link LEAST_TEXT} to 60,000 */
export function createStamp({ before, after, tail }: Dialect, textLength: number): Stamp {
  const talk = TALK.repeat(Math.ceil(textLength / TALK.length)).slice(0, textLength - LEAST_TEXT);
  const text = "0".repeat(LEAST_TEXT) + talk;
  const frame = clientFrame(before + FRAME + text + tail + after);
  const bytes = Buffer.concat(Array.from({ length: BATCH }, () => frame));
  const textAt = frame.indexOf(FRAME.charCodeAt(0), 6) + FRAME.length;
  return (count, sender, micros) => {
    for (let at = 0; at < count; at++) {
      const start = at * frame.length + textAt;
      writeDigits(bytes, start, SENDER, sender);
      writeDigits(bytes, start + SENDER, TIME, micros);
    }
    return bytes.subarray(0, count * frame.length);
  };
}

function writeDigits(bytes: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value;
  for (let digit = digits - 1; digit >= 0; digit--) {
    const next = Math.floor(rest / 10);
    bytes[at + digit] = 48 + rest - next * 10;
    rest = next;
  }
}

function readDigits(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let digit = 0; digit < digits; digit++) value = value * 10 + bytes[at + digit]! - 48;
  return value;
}

/** Where in a payload a message's text begins. */
export function textOffset({ before }: Dialect): number {
  return before.length + FRAME.length;
}

/** The kinds by the first letter of a frame's type. */
const KINDS: readonly (readonly [letter: number, kind: Kind])[] = [
  [0x6d, "message"],
  [0x68, clientFrame('{"type":"heartbeat"}')],
  [0x69, "welcome"],
  [0x63, "connection"],
  [0x65, "error"],
];
const TYPE_AT = '{"type":"'.length;

/** The kind of the frame whose payload begins here. */
export function kindOf(opcode: number, bytes: Uint8Array, start: number, dialect: Dialect): Kind {
  if (opcode === 9) return pongTo(bytes, start);
  return opcode === 1 ? dialect.kindOf(bytes, start) : "other";
}

/** A pong has the payload of its ping, whose length is the byte before it. */
function pongTo(bytes: Uint8Array, start: number): Uint8Array {
  return clientFrame(bytes.subarray(start, start + (bytes[start - 1]! & 0x7f)), 0x8a);
}

/** Shoal's two protocols. */
export const PLAIN: Dialect = {
  name: "plain",
  before: "",
  after: "}",
  tail: '"',
  kindOf: kindByType,
};
export const V1: Dialect = { ...PLAIN, name: "v1", subprotocol: SUBPROTOCOL };

function kindByType(bytes: Uint8Array, start: number): Kind {
  const letter = bytes[start + TYPE_AT];
  for (let at = 0; at < KINDS.length; at++) if (KINDS[at]![0] === letter) return KINDS[at]![1];
  return "other";
}

export function senderOf(bytes: Uint8Array, textAt: number): number {
  return readDigits(bytes, textAt, SENDER);
}

/** When the message was due, in the microseconds that were written into it. */
export function timeOf(bytes: Uint8Array, textAt: number): number {
  return readDigits(bytes, textAt + SENDER, TIME);
}

/** The state of a connection's bytes between two reads. */
export interface Scan {
  /** Bytes to come of a frame that was shown. */
  skip: number;
  /** The beginning of a frame that was not shown yet. */
  rest: Uint8Array | undefined;
}

/** @param start of the payload in `bytes`, which hold its first 64 bytes or all of it */
export type OnFrame = (opcode: number, bytes: Uint8Array, start: number, length: number) => void;

/** Shows every frame that begins in these bytes. */
export function scan(state: Scan, chunk: Uint8Array, onFrame: OnFrame): void {
  let bytes = chunk;
  if (state.rest !== undefined) {
    bytes = Buffer.concat([state.rest, chunk]);
    state.rest = undefined;
  }
  const end = bytes.length;
  let at = state.skip;
  while (at < end) {
    const left = end - at;
    let header = 2;
    let length = left > 1 ? bytes[at + 1]! & 0x7f : 0;
    if (length === 126) header = 4;
    else if (length === 127) header = LONGEST_HEADER;
    if (left >= header && header > 2) {
      length = 0;
      for (let byte = 2; byte < header; byte++) length = length * 256 + bytes[at + byte]!;
    }
    if (left < header || left < header + (length < HEAD ? length : HEAD)) {
      state.rest = bytes.slice(at);
      at = end;
      break;
    }
    onFrame(bytes[at]! & 0x0f, bytes, at + header, length);
    at += header + length;
  }
  state.skip = at - end;
}
