import Type, { type Static, type TSchema } from "typebox";
import { ERRORS } from "./codes.ts";
import { Id } from "./inbound.ts";

/**
 * The frames that the server sends: one source for the client's types, the tests' checks and the
 * documentation. The server itself writes them in encode.ts.
 */

function exact<T extends Record<string, TSchema>>(properties: T, description: string) {
  return Type.Object(properties, { additionalProperties: false, description });
}

const Bool = Type.Union([Type.Literal("true"), Type.Literal("false")]);
const Code = Type.Enum(Object.keys(ERRORS) as [string, ...string[]]);
const Count = Type.Integer({ minimum: 0, description: "Connections, with and without a name." });
const Names = Type.Array(Type.String());

const Connection = exact(
  { type: Type.Literal("connection"), id: Type.String({ description: "The channel's id." }) },
  "The first frame on every connection.",
);
const ConnectionV1 = exact(
  {
    ...Connection.properties,
    last: Id,
    heartbeat: Type.Number({ description: "Seconds between two heartbeats." }),
    limits: exact(
      {
        text: Type.Integer({ description: "Code points in a message." }),
        rate: Type.Number({ description: "Frames a second over time; 0: no limit." }),
        burst: Type.Integer({ description: "Frames at once." }),
        history: Type.Integer({ description: "Messages that are kept of a channel." }),
      },
      "What the server allows.",
    ),
  },
  "The first frame on every connection, with the channel's last id and the server's limits.",
);

const Heartbeat = exact(
  { type: Type.Literal("heartbeat"), authenticated: Bool },
  "Answer it to keep the name. Says whether the connection holds one.",
);

const Identity = exact(
  { type: Type.Literal("identity"), success: Bool },
  "Whether the connection has the name that it asked for.",
);
const Granted = exact(
  {
    type: Type.Literal("identity"),
    success: Type.Literal("true"),
    user: Type.String({ description: "The name as it is shown; empty: given up." }),
    session: Type.String({ description: "Proves later that this is the same client. A secret." }),
  },
  "The connection has the name.",
);
const Refused = exact(
  {
    type: Type.Literal("identity"),
    success: Type.Literal("false"),
    code: Code,
    message: Type.String(),
  },
  "The connection does not have the name.",
);

const plainFields = {
  text: Type.String(),
  timestamp: Type.Integer({ description: "Unix time in seconds." }),
  user: Type.String(),
};
const v1Fields = { ...plainFields, id: Id, prev: Id };
const Kept = exact(v1Fields, "A message in a page of history.");
const Message = exact({ type: Type.Literal("message"), ...plainFields }, "What somebody said.");
const MessageV1 = exact({ type: Type.Literal("message"), ...v1Fields }, "What somebody said.");

const Ack = exact(
  { type: Type.Literal("ack"), ref: Type.String(), id: Id },
  "The message with this ref is posted under this id.",
);

const ErrorPlain = exact(
  { type: Type.Literal("error"), code: Code, message: Type.String() },
  "A frame was rejected. The connection lives on.",
);
const ErrorV1 = exact(
  { ...ErrorPlain.properties, ref: Type.Optional(Type.String()) },
  "A frame was rejected. The connection lives on.",
);

const History = exact(
  { type: Type.Literal("history"), messages: Type.Array(Kept), gap: Bool, more: Bool },
  "A page of kept messages, oldest first.",
);

const Roster = exact(
  { type: Type.Literal("presence"), count: Count, names: Type.Optional(Names) },
  "Everyone in the channel; without names, there are too many.",
);
const Change = exact(
  { type: Type.Literal("presence"), count: Count, joined: Names, left: Names },
  "Who came and who went.",
);

/** The frames that a plain client receives, by `type`. */
export const PLAIN = {
  connection: Connection,
  heartbeat: Heartbeat,
  identity: Identity,
  message: Message,
  error: ErrorPlain,
};

/** The frames that a client with the subprotocol receives, by `type`. */
export const V1 = {
  connection: ConnectionV1,
  heartbeat: Heartbeat,
  identity: Type.Union([Granted, Refused]),
  message: MessageV1,
  ack: Ack,
  error: ErrorV1,
  history: History,
  presence: Type.Union([Roster, Change]),
};

type KeyOf<T> = T extends unknown ? keyof T : never;
type FieldOf<T, K> = T extends unknown ? (K extends keyof T ? T[K] : never) : never;
/** A frame of either protocol: the fields that only `shoal.v1` has are optional. */
type Either<Plain, V1> = Plain & {
  [K in Exclude<KeyOf<V1>, keyof Plain>]?: Exclude<FieldOf<V1, K>, undefined>;
};

type V1Frame<K extends keyof typeof V1> = Static<(typeof V1)[K]>;

export type HistoryFrame = V1Frame<"history">;
export type PresenceFrame = Either<{ type: "presence"; count: number }, V1Frame<"presence">>;
/** What a message consists of; `id` and `prev` on `shoal.v1` only. */
export type MessageFields = Either<Omit<Static<typeof Message>, "type">, Static<typeof Kept>>;

/** A frame that a client receives, whichever protocol it speaks. */
export type ServerFrame =
  | Either<Static<typeof Connection>, V1Frame<"connection">>
  | V1Frame<"heartbeat">
  | Either<Static<typeof Identity>, V1Frame<"identity">>
  | Either<Static<typeof Message>, V1Frame<"message">>
  | V1Frame<"ack">
  | V1Frame<"error">
  | HistoryFrame
  | PresenceFrame;
