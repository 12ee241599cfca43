import type { TObject } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { CODES, type CodeName } from "./codes.ts";
import { type Command, PLAIN, REF_LIMIT, V1 } from "./schema.ts";

/**
 * Frames to commands, facts to frames. A frame's bytes are made here and nowhere else.
 * Strings that come from clients are JSON string literals by the time they get here.
 */

/** A frame that is no command, and what it is refused with. */
export interface Refused {
  readonly type: "refused";
  readonly code: CodeName;
  /** Whether it asked for a name, which is answered in a frame of its own. */
  readonly identity?: boolean;
  readonly ref?: string | undefined;
}

const refused = (code: CodeName): Refused => ({ type: "refused", code });
const INVALID_JSON = refused("invalid_json");
const NOT_AN_OBJECT = refused("not_an_object");
const BINARY_FRAME = refused("binary_frame");
const UNKNOWN_TYPE = refused("unknown_type");
const INVALID_FIELD = refused("invalid_field");
const INVALID_IDENTITY: Refused = { ...INVALID_FIELD, identity: true };

type Checks = ReadonlyMap<unknown, Validator>;

const PLAIN_CHECKS = checks(PLAIN);
const V1_CHECKS = checks(V1);

/** A Map, since an object would find `toString` and `__proto__` among its types. */
function checks(schemas: Record<string, TObject>): Checks {
  return new Map(Object.entries(schemas).map(([type, schema]) => [type, Compile(schema)]));
}

/**
 * The command in a client's frame, or why there is none. One parse and one compiled check.
 *
 * @param raw as Bun gives it: a string for a text frame, bytes for a binary one
 * @param v1 whether the client speaks `shoal.v1`
 */
export function decode(raw: string | Uint8Array, v1: boolean): Command | Refused {
  if (typeof raw !== "string") return BINARY_FRAME;
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return INVALID_JSON;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return NOT_AN_OBJECT;
  const { type, ref } = value as { type?: unknown; ref?: unknown };
  const check = (v1 ? V1_CHECKS : PLAIN_CHECKS).get(type);
  if (check === undefined) return UNKNOWN_TYPE;
  if (check.Check(value) && (!v1 || fieldsFit(value as Command))) return value as Command;
  if (type === "identity") return INVALID_IDENTITY;
  return v1 && type === "message" && isRef(ref) ? { ...INVALID_FIELD, ref } : INVALID_FIELD;
}

/** Whether this can be a message's `ref`: a lone surrogate would be another one in a store. */
function isRef(ref: unknown): ref is string {
  return typeof ref === "string" && ref !== "" && ref.length <= REF_LIMIT && ref.isWellFormed();
}

/** What a schema can not say, or says too slowly. */
function fieldsFit(command: Command): boolean {
  if (command.type === "message") return command.ref === undefined || isRef(command.ref);
  if (command.type === "history") {
    return command.after === undefined || command.before === undefined;
  }
  return true;
}

/**
 * What most clients send. In a JSON string, these end it or need an escape; lone surrogates do not
 * come, since a frame is valid UTF-8.
 */
const PLAIN_MESSAGE = /^\{"type":"message","text":"[^"\\\u0000-\u001f]*"\}$/;
const LITERAL_AT = '{"type":"message","text":'.length;

/**
 * The text in a frame that is exactly what most clients send, `{"type":"message","text":"…"}` with
 * nothing escaped, as the JSON string literal that it is; or undefined. {@link decode} says the same
 * of such a frame, but parses it, and leaves the text to be encoded again.
 */
export function plainLiteral(raw: string | Uint8Array): string | undefined {
  if (typeof raw !== "string" || !PLAIN_MESSAGE.test(raw)) return;
  return raw.slice(LITERAL_AT, -1);
}

/**
 * A message that has its place in a channel.
 * `text` and `user` are JSON string literals, quotes included: encoded once, however often sent.
 */
export interface Message {
  /** Microseconds since the epoch, strictly rising within a channel, below 2^53. */
  readonly id: number;
  /** The id before it in its channel; 0 where there is none. */
  readonly prev: number;
  readonly text: string;
  readonly user: string;
}

/** The last second that was written, and its digits: most ids share it with the one before. */
let second = 0;
let digits = "0";

/** The whole seconds of an id, as digits. */
function secondsOf(id: number): string {
  const seconds = Math.floor(id / 1e6);
  if (seconds !== second) {
    second = seconds;
    digits = String(seconds);
  }
  return digits;
}

const THOUSAND = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0"));

/** An id as digits. In parts that are there already, since numbers above 2^31 are slow to write. */
function idText(id: number): string {
  if (id < 1e6) return String(id);
  const seconds = secondsOf(id);
  const micros = id - second * 1e6;
  const millis = Math.floor(micros / 1000);
  return seconds + THOUSAND[millis] + THOUSAND[micros - millis * 1000];
}

function plainFields({ id, text, user }: Message): string {
  return `"text":${text},"timestamp":${secondsOf(id)},"user":${user}`;
}

function v1Fields(message: Message): string {
  return `${plainFields(message)},"id":${idText(message.id)},"prev":${idText(message.prev)}`;
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

/** What a client with the subprotocol is told at the start: the server's settings. */
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

/** @param last the channel's last id, 0 where there is none */
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

export function identityRefusedV1(code: CodeName): string {
  return JSON.stringify({ type: "identity", success: "false", code, message: CODES[code].message });
}

/** @param ref of the message that was refused, where it had one */
export function errorFrame(code: CodeName, ref?: string): string {
  return JSON.stringify({ type: "error", code, message: CODES[code].message, ref });
}

export function ackFrame(ref: string, id: number): string {
  return `{"type":"ack","ref":${JSON.stringify(ref)},"id":${id}}`;
}

/** Most bytes of a history frame, unless its first message alone is longer. */
const PAGE_BYTES = 256 * 1024;

/** Messages of a channel's history, oldest first. */
export interface Page {
  readonly messages: readonly Message[];
  /** Whether the chain of `prev` is broken between the `after` that was asked for and the page. */
  readonly gap: boolean;
  /** Whether more is kept in the direction that was asked for. */
  readonly more: boolean;
}

/**
 * A page as one frame of at most 256 KiB, or of one message. What has no room is left out at the
 * far end: the newest of a page that goes forward, the oldest of one that goes back.
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

/** Everyone in a channel. Without `names` there are too many to name. */
export interface Roster {
  /** Connections, those without a name too. */
  readonly count: number;
  readonly names?: readonly string[];
}

export function rosterFrame(roster: Roster): string {
  return JSON.stringify({ type: "presence", count: roster.count, names: roster.names });
}

export function presenceFrame(count: number, joined: string[], left: string[]): string {
  return JSON.stringify({ type: "presence", count, joined, left });
}
