import { CLOSE, type CodeName } from "./protocol/codes.ts";
import {
  decode,
  errorFrame,
  IDENTITY_REFUSED,
  identityRefusedV1,
  plainLiteral,
  type Refused,
} from "./protocol/codec.ts";
import { fits, type Name, nameOf } from "./protocol/identifiers.ts";
import { type Command, type HistoryQuery, PAGE } from "./protocol/schema.ts";
import { type Rate, take } from "./limiter.ts";
import type { Sessions } from "./sessions.ts";
import type { Connection } from "./state.ts";

/**
 * From a client's frame to what is to be done about it. Nothing is done here but the counting on
 * the connection itself; connection.ts performs the outcome.
 */
export type Outcome =
  | { readonly do: "nothing" }
  | { readonly do: "reply"; readonly frame: string }
  | { readonly do: "close"; readonly with: (typeof CLOSE)[keyof typeof CLOSE] }
  /** `text` is a JSON string literal. */
  | { readonly do: "publish"; readonly text: string; readonly ref: string | undefined }
  | { readonly do: "claim"; readonly name: Name; readonly session: string | undefined }
  | { readonly do: "give up"; readonly session: string }
  | { readonly do: "history"; readonly query: HistoryQuery }
  | { readonly do: "presence" };

export interface Rules {
  /** Code points in a message. */
  readonly textLimit: number;
  readonly frames: Rate;
  readonly heartbeats: Rate;
  readonly sessions: Sessions;
}

const HEARTBEAT: Command = { type: "heartbeat" };
const NOTHING: Outcome = { do: "nothing" };
const PRESENCE: Outcome = { do: "presence" };
const FLOODING: Outcome = { do: "close", with: CLOSE.flooding };

/** Who is refused so often within so long, in milliseconds, has gone on against the rate limit. */
const PATIENCE = { refusals: 100, ms: 10_000 };

/**
 * @param raw the frame as Bun gives it
 * @param now milliseconds on the clock of the connection's own times
 */
export function decide(
  connection: Connection,
  raw: string | Uint8Array,
  now: number,
  rules: Rules,
): Outcome {
  const literal = plainLiteral(raw);
  const command: Command | Refused =
    literal === undefined
      ? decode(raw, connection.v1)
      : { type: "message", text: literal.slice(1, -1) };
  if (command.type === "heartbeat") {
    connection.awaited = false;
    return decideSign(connection, now, rules);
  }
  connection.heardAt = now;
  const fullAt = take(rules.frames, connection.framesFullAt, now);
  if (fullAt === -1) return tooFast(connection, command, now);
  connection.framesFullAt = fullAt;
  switch (command.type) {
    case "message":
      return say(connection, command, literal, rules);
    case "identity":
      return identify(connection, command, rules);
    case "history":
      return history(command);
    case "presence":
      return PRESENCE;
    case "refused":
      return refuse(connection, command, command.code);
  }
}

/** What comes of a mere sign of life: a heartbeat, or a ping or pong of the WebSocket. */
export function decideSign(connection: Connection, now: number, rules: Rules): Outcome {
  connection.heardAt = now;
  const fullAt = take(rules.heartbeats, connection.heartbeatsFullAt, now);
  if (fullAt === -1) return tooFast(connection, HEARTBEAT, now);
  connection.heartbeatsFullAt = fullAt;
  return NOTHING;
}

function say(
  connection: Connection,
  command: Command & { type: "message" },
  literal: string | undefined,
  rules: Rules,
): Outcome {
  const { text } = command;
  const ref = connection.v1 ? command.ref : undefined;
  if (connection.name === undefined) return error("not_identified", ref);
  if (!fits(text, rules.textLimit)) return error("text_too_long", ref);
  if (!VISIBLE.test(text)) return error("text_blank", ref);
  const said = literal ?? JSON.stringify(text);
  return { do: "publish", text: said, ref };
}

/** A lone surrogate is no white space, and it is seen as a replacement character. */
const VISIBLE = /[^\s\p{Default_Ignorable_Code_Point}]/u;

function identify(
  connection: Connection,
  command: Command & { type: "identity" },
  { sessions }: Rules,
): Outcome {
  let session: string | undefined;
  if (connection.v1) {
    const known = command.session === undefined ? undefined : sessions.idOf(command.session);
    session = known ?? connection.session ?? sessions.create();
    if (command.user === "") return { do: "give up", session };
  }
  const name = nameOf(command.user);
  return name === undefined
    ? identityRefused(connection, "name_invalid")
    : { do: "claim", name, session };
}

function history({ after, before, limit = PAGE.usual }: Command & { type: "history" }): Outcome {
  return { do: "history", query: { after, before, limit: Math.min(limit, PAGE.most) } };
}

/** The outcome of a frame that came against the rate limit. */
function tooFast(connection: Connection, frame: Command | Refused, now: number): Outcome {
  const refusals = (connection.refusals ??= []);
  refusals.push(now);
  if (refusals.length === PATIENCE.refusals) {
    if (now - refusals.shift()! <= PATIENCE.ms) return FLOODING;
  }
  return refuse(connection, frame, "rate_limited");
}

/** Every request for a name gets one answer of its own kind, everything else an error. */
function refuse(connection: Connection, frame: Command | Refused, code: CodeName): Outcome {
  if (frame.type === "identity") return identityRefused(connection, code);
  if (frame.type === "refused") {
    return frame.identity === true ? identityRefused(connection, code) : error(code, frame.ref);
  }
  const ref = frame.type === "message" && connection.v1 ? frame.ref : undefined;
  return error(code, ref);
}

function error(code: CodeName, ref?: string): Outcome {
  return { do: "reply", frame: errorFrame(code, ref) };
}

function identityRefused(connection: Connection, code: CodeName): Outcome {
  return { do: "reply", frame: connection.v1 ? identityRefusedV1(code) : IDENTITY_REFUSED };
}
