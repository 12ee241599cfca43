/**
 * Every code that a client can receive. PROTOCOL.md lists them with what to do next, and a test
 * holds the two together. No TypeBox here: the client shares it.
 */

/** The sentence of `text_too_long`, which the client says by itself as well. */
export const TEXT_TOO_LONG = 'This "text" is longer than the server allows.';

/** The codes of `error` frames and of refused identities. The connection lives on. */
export const ERRORS = {
  invalid_json: "This frame is not valid JSON. Send one JSON object per text frame.",
  not_an_object: 'This frame is JSON, but not an object. Send one like {"type":"heartbeat"}.',
  binary_frame: "Binary frames are not supported. Send JSON in a text frame.",
  unknown_type:
    'This "type" is unknown. The protocol documentation lists the types that a client can send.',
  invalid_field:
    "A field of this frame is missing or has the wrong type. See the protocol documentation.",
  text_blank: 'This "text" has nothing visible in it.',
  text_too_long: TEXT_TOO_LONG,
  not_identified: 'Take a name first: {"type":"identity","user":"your name"}.',
  rate_limited:
    "Too many frames in a short time (MESSAGE_RATE). Wait a moment, then send more slowly.",
  ref_reused: 'This "ref" was already used for a different text. Use a new one for each message.',
  busy: "The server is still busy with what you asked for before. Ask again in a moment.",
  unavailable:
    "The server cannot do this at the moment. Nothing was posted; try again in a few seconds.",
  unknown: 'The server cannot tell whether this was posted. Send it again with the same "ref".',
  not_found: "This message is not kept here, or it was removed already.",
  forbidden: "Only the session that posted a message can remove it.",
  name_invalid:
    "This name is not valid: 1 to 32 visible characters, no control or zero-width characters, " +
    "no mix of scripts that look alike.",
  name_taken: "Someone in this channel already has this name. Choose another one.",
  replaced: "Another connection with your session took over this name.",
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** What `rate_limited` says where a limit on the address was hit, by its setting. */
export const ADDRESS_LIMITS = {
  IP_MESSAGE_RATE:
    "Too many messages from your address in a short time (IP_MESSAGE_RATE). Wait a moment.",
  IP_CHANNEL_RATE:
    "Too many channels were begun from your address in a short time (IP_CHANNEL_RATE). Wait a moment.",
} as const;

/** What `rate_limited` says where the server sheds load. */
export const OVERLOADED =
  "The server has more to deliver than it can at the moment. Wait a moment, then send less.";

/** After these, the same frame may succeed later. After all others, change it first. */
export const RETRY_LATER: ReadonlySet<string> = new Set<ErrorCode>([
  "rate_limited",
  "busy",
  "unavailable",
  "unknown",
  "name_taken",
]);

/** How the server closes a connection (RFC 6455, section 7.4). */
export const CLOSE = {
  /** The server is stopping: connect again. */
  goingAway: { code: 1001, reason: "The server is stopping. Connect again in a moment." },
  /** The client kept exceeding the rate limit. */
  flooding: { code: 1008, reason: "Too many frames for too long. Send more slowly." },
  /** A handler failed: a bug in the server. */
  internal: { code: 1011, reason: "Internal server error." },
} as const;

export type Close = (typeof CLOSE)[keyof typeof CLOSE];
