import Type, { type Static, type TProperties } from "typebox";
import { QUERY_LIMIT, REF_LIMIT } from "./limits.ts";

/**
 * The frames that a client may send: one source for types, checks and documentation. Keys that are
 * not named here are ignored.
 */

export const Id = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "The id of a message: microseconds since the epoch, rising within a channel.",
});

function frame<T extends string, P extends TProperties>(
  type: T,
  properties: P,
  description: string,
) {
  return Type.Object({ type: Type.Literal(type), ...properties }, { description });
}

function text(description: string) {
  return Type.String({ description });
}

const user = text("The name to take.");
const session = Type.Optional(text("The session from an earlier identity of this client."));
const ref = Type.Optional(text(`Asks for an ack; 1 to ${REF_LIMIT} characters.`));
const limit = Type.Optional(Type.Integer({ minimum: 1, description: "Messages at most." }));

/** The frames of a plain client, by `type`. */
export const PLAIN = {
  heartbeat: frame("heartbeat", {}, "Answers a heartbeat of the server."),
  identity: frame("identity", { user }, "Asks for a name in the channel."),
  message: frame("message", { text: text("What to say.") }, "Talks to everyone in the channel."),
};

/** The frames of a client with the subprotocol, by `type`. */
export const V1 = {
  heartbeat: PLAIN.heartbeat,
  identity: frame(
    "identity",
    { user, session },
    'Asks for a name; an empty "user" gives the name up.',
  ),
  message: frame(
    "message",
    { text: text("What to say."), ref },
    "Talks to everyone in the channel.",
  ),
  history: frame(
    "history",
    { after: Type.Optional(Id), before: Type.Optional(Id), around: Type.Optional(Id), limit },
    "Asks for kept messages: after an id, before an id, around an id, or the newest.",
  ),
  search: frame(
    "search",
    {
      query: text(`What to look for; 1 to ${QUERY_LIMIT} characters.`),
      before: Type.Optional(Id),
      limit,
    },
    "Asks for kept messages with these words, the newest first.",
  ),
  delete: frame("delete", { id: Id, ref }, "Removes a message of one's own."),
  presence: frame("presence", {}, "Asks who is in the channel, and for every change from then on."),
};

/** A valid frame of a client. */
export type Command = Static<(typeof V1)[keyof typeof V1]>;
