import Type, { type Static, type TProperties } from "typebox";
import { ERRORS } from "./codes.ts";
import { Id } from "./inbound.ts";

/**
 * The frames that the server sends: one source for the client's types, the tests' checks and the
 * documentation. The server itself writes them in encode.ts.
 */

function exact<P extends TProperties>(properties: P, description: string) {
  return Type.Object(properties, { additionalProperties: false, description });
}

function frame<T extends string, P extends TProperties>(
  type: T,
  properties: P,
  description: string,
) {
  return exact({ type: Type.Literal(type), ...properties }, description);
}

const string = (description: string) => Type.String({ description });
const number = (description: string) => Type.Number({ description });

const Bool = Type.Union([Type.Literal("true"), Type.Literal("false")]);
const [True, False] = [Type.Literal("true"), Type.Literal("false")];
const code = Type.Enum(Object.keys(ERRORS) as [string, ...string[]]);
const message = string("What it means, for people.");
const count = Type.Integer({ minimum: 0, description: "Connections, with and without a name." });
const names = Type.Array(Type.String());
const id = string("The channel's id.");
const limits = exact(
  {
    text: number("Code points in a message."),
    rate: number("Frames a second over time; 0: no limit."),
    burst: number("Frames at once."),
    history: number("Messages that are kept of a channel."),
  },
  "What the server allows.",
);
const plainFields = {
  text: Type.String(),
  timestamp: Type.Integer({ description: "When it was said: Unix time in seconds." }),
  user: Type.String(),
};
const fields = { ...plainFields, id: Id, prev: Id };
const deletes = Type.Optional(
  Type.Integer({ minimum: 1, description: "The id of the message that this one removes." }),
);
const deleted = Type.Optional(Type.Literal("true", { description: "Its text was removed." }));
const kept = exact({ ...fields, deletes, deleted }, "A kept message.");

/** The frames that a plain client receives, by `type`. */
export const PLAIN = {
  connection: frame("connection", { id }, "The first frame on every connection."),
  heartbeat: frame("heartbeat", { authenticated: Bool }, "Answer it to keep the name."),
  identity: frame("identity", { success: Bool }, "Whether the connection has the name now."),
  message: frame("message", plainFields, "What somebody said."),
  error: frame("error", { code, message }, "A frame was rejected. The connection lives on."),
};

/** The frames that a client with the subprotocol receives, by `type`. */
export const V1 = {
  connection: frame(
    "connection",
    { id, last: Id, heartbeat: number("Seconds between two heartbeats."), limits },
    "The first frame on every connection, with the channel's last id.",
  ),
  heartbeat: PLAIN.heartbeat,
  identity: Type.Union([
    frame(
      "identity",
      {
        success: True,
        user: string("The name as it is shown; empty: given up."),
        session: string("Proves later that this is the same client. A secret."),
      },
      "The connection has the name.",
    ),
    frame("identity", { success: False, code, message }, "It does not have the name."),
  ]),
  message: frame("message", { ...fields, deletes }, "What somebody said, or a removal."),
  ack: frame("ack", { ref: Type.String(), id: Id }, "The message with this ref has this id."),
  error: frame(
    "error",
    { code, message, ref: Type.Optional(Type.String()) },
    "A frame was rejected. The connection lives on.",
  ),
  history: frame(
    "history",
    {
      messages: Type.Array(kept),
      gap: Bool,
      more: Bool,
      before: Type.Optional(Bool),
      after: Type.Optional(Bool),
    },
    "A page of kept messages, oldest first. Around an id, with what there is on each side.",
  ),
  search: frame(
    "search",
    { messages: Type.Array(kept), more: Bool },
    "What a search has found, newest first.",
  ),
  presence: Type.Union([
    frame("presence", { count, names: Type.Optional(names) }, "Everyone; no names: too many."),
    frame("presence", { count, joined: names, left: names }, "Who came and who went."),
  ]),
};

type KeyOf<T> = T extends unknown ? keyof T : never;
type FieldOf<T, K> = T extends unknown ? (K extends keyof T ? T[K] : never) : never;
/** A frame of either protocol: the fields that only `shoal.v1` has are optional. */
type Either<Plain, V1> = Plain & {
  [K in Exclude<KeyOf<V1>, keyof Plain>]?: Exclude<FieldOf<V1, K>, undefined>;
};
type PlainFrame<K extends keyof typeof PLAIN> = Static<(typeof PLAIN)[K]>;
type V1Frame<K extends keyof typeof V1> = Static<(typeof V1)[K]>;

export type HistoryFrame = V1Frame<"history">;
export type SearchFrame = V1Frame<"search">;
export type PresenceFrame = Either<{ type: "presence"; count: number }, V1Frame<"presence">>;
/** What a message consists of; `id` and `prev` on `shoal.v1` only. */
export type MessageFields = Either<
  Omit<PlainFrame<"message">, "type">,
  HistoryFrame["messages"][number]
>;

/** A frame that a client receives, whichever protocol it speaks. */
export type ServerFrame =
  | { [K in keyof typeof PLAIN]: Either<PlainFrame<K>, V1Frame<K>> }[keyof typeof PLAIN]
  | V1Frame<"ack">
  | HistoryFrame
  | SearchFrame
  | PresenceFrame;
