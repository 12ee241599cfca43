import Type, { type Static } from "typebox";

/**
 * What a client may send: the one source of types, checks and documentation.
 * Keys that are not named here are ignored.
 */

/** The subprotocol that a client offers to get ids, acknowledgements, history and presence. */
export const SUBPROTOCOL = "shoal.v1";
/** Longest `ref`, in characters (UTF-16 code units, as a string's length counts them). */
export const REF_LIMIT = 64;
/** Messages in a page of history: where a client names no `limit`, and at most. */
export const PAGE = { usual: 50, most: 200 } as const;

const Id = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "The id of a message: microseconds since the epoch, rising within a channel.",
});

export const Heartbeat = Type.Object(
  { type: Type.Literal("heartbeat") },
  { description: "The answer to a heartbeat of the server." },
);

export const Identity = Type.Object(
  { type: Type.Literal("identity"), user: Type.String({ description: "The name to take." }) },
  { description: "Asks for a name in the channel." },
);

export const Message = Type.Object(
  { type: Type.Literal("message"), text: Type.String({ description: "What to say." }) },
  { description: "Says something to everyone in the channel." },
);

export const IdentityV1 = Type.Object(
  {
    ...Identity.properties,
    session: Type.Optional(
      Type.String({ description: "The session of an earlier identity of this client." }),
    ),
  },
  { description: 'Asks for a name; an empty "user" gives the name up.' },
);

export const MessageV1 = Type.Object(
  {
    ...Message.properties,
    ref: Type.Optional(
      Type.String({ description: `Asks for an ack; 1 to ${REF_LIMIT} characters.` }),
    ),
  },
  { description: "Says something to everyone in the channel." },
);

export const History = Type.Object(
  {
    type: Type.Literal("history"),
    after: Type.Optional(Id),
    before: Type.Optional(Id),
    limit: Type.Optional(Type.Integer({ minimum: 1, description: "Messages at most." })),
  },
  { description: "Asks for kept messages: after an id, before an id, or the newest." },
);

export const Presence = Type.Object(
  { type: Type.Literal("presence") },
  { description: "Asks to be told who is in the channel, now and from now on." },
);

/** What a plain client may send, by `type`. */
export const PLAIN = { heartbeat: Heartbeat, identity: Identity, message: Message };

/** What a client with the subprotocol may send, by `type`. */
export const V1 = {
  heartbeat: Heartbeat,
  identity: IdentityV1,
  message: MessageV1,
  history: History,
  presence: Presence,
};

/** A frame of a client that was checked. */
export type Command = Static<(typeof V1)[keyof typeof V1]>;
/** A request for a page of history: after an id, before an id, or the newest. */
export interface HistoryQuery {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  /** Messages at most. */
  readonly limit: number;
}
