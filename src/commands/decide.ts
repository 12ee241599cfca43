import type { Sessions } from "../auth/sessions.ts";
import { spendMessage, type VisitorLimits } from "../auth/visitors.ts";
import type { HistoryQuery, SearchQuery } from "../broker/broker.ts";
import { listenersOf } from "../node/channels.ts";
import type { Load } from "../node/load.ts";
import type { Connection } from "../node/state.ts";
import { type Rate, take } from "../protocol/bucket.ts";
import {
  ADDRESS_LIMITS,
  CLOSE,
  type Close,
  type ErrorCode,
  OVERLOADED,
} from "../protocol/codes.ts";
import { type Decoded, decode } from "../protocol/decode.ts";
import { errorFrame, IDENTITY_REFUSED, identityRefusedV1, REMOVED } from "../protocol/encode.ts";
import type { Command } from "../protocol/inbound.ts";
import { PAGE } from "../protocol/limits.ts";
import { type Name, nameOf } from "../protocol/names.ts";
import { fits } from "../protocol/text.ts";

/**
 * From a client's frame to what to do about it. Nothing is done here but the counting on the
 * connection itself; the edge performs the outcome.
 */
export type Outcome =
  | { readonly do: "nothing" }
  | { readonly do: "reply"; readonly frame: string }
  | { readonly do: "close"; readonly with: Close }
  /** `text` is a JSON string literal. */
  | { readonly do: "publish"; readonly text: string; readonly ref: string | undefined }
  | { readonly do: "claim"; readonly name: Name; readonly session: string | undefined }
  | { readonly do: "give up"; readonly session: string }
  | { readonly do: "history"; readonly query: HistoryQuery }
  | { readonly do: "search"; readonly query: SearchQuery }
  | {
      readonly do: "remove";
      readonly id: number;
      readonly session: string;
      readonly ref: string | undefined;
    }
  | { readonly do: "presence" };

export interface Rules {
  /** Code points in a message. */
  readonly textLimit: number;
  readonly frames: Rate;
  readonly heartbeats: Rate;
  readonly visitors: VisitorLimits;
  /** Bounds what all messages together cost; undefined for no bound. */
  readonly load: Load | undefined;
  readonly sessions: Sessions;
}

const NOTHING: Outcome = { do: "nothing" };
const PRESENCE: Outcome = { do: "presence" };
const FLOODING: Outcome = { do: "close", with: CLOSE.flooding };

/** This many rejections within this many milliseconds count as flooding. */
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
  const command = decode(raw, connection.v1);
  if (typeof command !== "string" && command.type === "heartbeat") {
    connection.awaited = false;
    return decideAlive(connection, now, rules);
  }
  connection.heardAt = now;
  const fullAt = take(rules.frames, connection.framesFullAt, now);
  if (fullAt === -1) return tooFast(connection, command, now);
  connection.framesFullAt = fullAt;
  if (typeof command === "string")
    return say(connection, command.slice(1, -1), now, rules, command);
  switch (command.type) {
    case "message":
      return say(connection, command.text, now, rules, undefined, refOf(connection, command));
    case "identity":
      return identify(connection, command, rules);
    case "history":
      return history(command);
    case "search": {
      const { query, before, limit } = command;
      return { do: "search", query: { query, before, limit: pageOf(limit) } };
    }
    case "delete":
      return remove(connection, command, now, rules);
    case "presence":
      return PRESENCE;
    case "rejected":
      return reject(connection, command, command.code);
  }
}

/** The outcome of a sign of life: a heartbeat, or a ping or pong of the WebSocket. */
export function decideAlive(connection: Connection, now: number, rules: Rules): Outcome {
  connection.heardAt = now;
  const fullAt = take(rules.heartbeats, connection.heartbeatsFullAt, now);
  if (fullAt === -1) return tooFast(connection, undefined, now);
  connection.heartbeatsFullAt = fullAt;
  return NOTHING;
}

/** A lone surrogate is not white space, and it shows as a replacement character. */
const VISIBLE = /[^\s\p{Default_Ignorable_Code_Point}]/u;

/** @param literal the text as a JSON string literal, if the frame had it in that form */
function say(
  connection: Connection,
  text: string,
  now: number,
  { textLimit, visitors, load }: Rules,
  literal?: string,
  ref?: string,
): Outcome {
  const { name, visitor, channel } = connection;
  if (name === undefined) return error("not_identified", ref);
  if (!fits(text, textLimit)) return error("text_too_long", ref);
  if (!VISIBLE.test(text)) return error("text_blank", ref);
  if (visitor !== undefined) {
    const limit = spendMessage(visitor, channel.told === 0, visitors, now);
    // Others at the address may have sent too much, so this does not count as flooding.
    if (limit !== undefined) return error("rate_limited", ref, ADDRESS_LIMITS[limit]);
  }
  literal ??= JSON.stringify(text);
  // Like the limit of the address, this does not count as flooding.
  if (load?.admits(connection, listenersOf(channel), literal.length, now) === false) {
    return error("rate_limited", ref, OVERLOADED);
  }
  return { do: "publish", text: literal, ref };
}

/** A plain client has no refs, whatever its frame holds. */
function refOf({ v1 }: Connection, { ref }: Command & { type: "message" }): string | undefined {
  return v1 ? ref : undefined;
}

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

function history({ after, before, around, limit }: Command & { type: "history" }): Outcome {
  return { do: "history", query: { after, before, around, limit: pageOf(limit) } };
}

function pageOf(limit: number = PAGE.default): number {
  return Math.min(limit, PAGE.max);
}

/** Whoever has the session may remove what it said, under whatever name. */
function remove(
  connection: Connection,
  { id, ref }: Command & { type: "delete" },
  now: number,
  { visitors, load }: Rules,
): Outcome {
  const { session, visitor, channel } = connection;
  if (session === undefined) return error("not_identified", ref);
  const limit = visitor && spendMessage(visitor, false, visitors, now);
  if (limit !== undefined) return error("rate_limited", ref, ADDRESS_LIMITS[limit]);
  // A removal is delivered like a message.
  if (load?.admits(connection, listenersOf(channel), REMOVED.length, now) === false) {
    return error("rate_limited", ref, OVERLOADED);
  }
  return { do: "remove", id, session, ref };
}

/** The outcome of a frame that exceeds the rate limit. */
function tooFast(connection: Connection, command: Decoded | undefined, now: number): Outcome {
  const refusals = (connection.refusals ??= []);
  refusals.push(now);
  if (refusals.length === PATIENCE.refusals) {
    if (now - refusals.shift()! <= PATIENCE.ms) return FLOODING;
  }
  return reject(connection, command, "rate_limited");
}

/** Every request for a name gets one answer of its own kind, everything else an error. */
function reject(connection: Connection, command: Decoded | undefined, code: ErrorCode): Outcome {
  if (command === undefined || typeof command === "string") return error(code);
  if (command.type === "identity") return identityRefused(connection, code);
  if (command.type === "message") return error(code, refOf(connection, command));
  if (command.type === "delete") return error(code, command.ref);
  if (command.type !== "rejected") return error(code);
  return command.identity === true ? identityRefused(connection, code) : error(code, command.ref);
}

function error(code: ErrorCode, ref?: string, message?: string): Outcome {
  return { do: "reply", frame: errorFrame(code, ref, message) };
}

function identityRefused(connection: Connection, code: ErrorCode): Outcome {
  return { do: "reply", frame: connection.v1 ? identityRefusedV1(code) : IDENTITY_REFUSED };
}
