import Type, { type Static } from "typebox";
import { REF_LIMIT } from "./limits.ts";

/**
 * The frames that a client may send: one source for types, checks and documentation. Keys that are
 * not named here are ignored.
 */

/** The id of a message. */
export const Id = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "The id of a message: microseconds since the epoch, rising within a channel.",
});

const Heartbeat = Type.Object(
  { type: Type.Literal("heartbeat") },
  { description: "Answers a heartbeat of the server." },
);

const Identity = Type.Object(
  { type: Type.Literal("identity"), user: Type.String({ description: "The name to take." }) },
  { description: "Asks for a name in the channel." },
);

const Message = Type.Object(
  { type: Type.Literal("message"), text: Type.String({ description: "What to say." }) },
  { description: "Says something to everyone in the channel." },
);

const IdentityV1 = Type.Object(
  {
    ...Identity.properties,
    session: Type.Optional(
      Type.String({ description: "The session from an earlier identity of this client." }),
    ),
  },
  { description: 'Asks for a name; an empty "user" gives the name up.' },
);

const MessageV1 = Type.Object(
  {
    ...Message.properties,
    ref: Type.Optional(
      Type.String({ description: `Asks for an ack; 1 to ${REF_LIMIT} characters.` }),
    ),
  },
  { description: "Says something to everyone in the channel." },
);

const History = Type.Object(
  {
    type: Type.Literal("history"),
    after: Type.Optional(Id),
    before: Type.Optional(Id),
    limit: Type.Optional(Type.Integer({ minimum: 1, description: "Messages at most." })),
  },
  { description: "Asks for kept messages: after an id, before an id, or the newest." },
);

const Presence = Type.Object(
  { type: Type.Literal("presence") },
  { description: "Asks who is in the channel, and for every change from then on." },
);

/** The frames of a plain client, by `type`. */
export const PLAIN = { heartbeat: Heartbeat, identity: Identity, message: Message };

/** The frames of a client with the subprotocol, by `type`. */
export const V1 = {
  heartbeat: Heartbeat,
  identity: IdentityV1,
  message: MessageV1,
  history: History,
  presence: Presence,
};

/** A valid frame of a client. */
export type Command = Static<(typeof V1)[keyof typeof V1]>;
