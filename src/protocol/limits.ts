/** Limits that both sides of the protocol know. No TypeBox here: the client and the page share it. */

/** The subprotocol that a client offers to get ids, acknowledgements, history and presence. */
export const SUBPROTOCOL = "shoal.v1";
/** Longest `ref`, in UTF-16 code units, as a string's length counts them. */
export const REF_LIMIT = 64;
/** Messages in a page of history: without a `limit` in the request, and at most. */
export const PAGE = { default: 50, max: 200 } as const;
/** Longest search, in UTF-16 code units. */
export const QUERY_LIMIT = 200;
/** Longest channel id, in code points. */
export const CHANNEL_LIMIT = 128;
/** Longest name, in code points. */
export const NAME_LIMIT = 32;
