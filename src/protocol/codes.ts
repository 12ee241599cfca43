/**
 * Every code that a client can be told, in one table: what it means and what to do next.
 * PROTOCOL.md lists the same codes; a test holds the two together.
 */

/** One code: the sentence that is sent with it, and whether the same frame can work later. */
interface Code {
  readonly message: string;
  /** "later": the same frame may work after a pause. "no": change it before it is sent again. */
  readonly retry: "later" | "no";
}

/** Codes of `error` frames and of refused identities. The connection lives on. */
export const CODES = {
  invalid_json: {
    message: "This frame is not valid JSON. Send one JSON object as a text frame.",
    retry: "no",
  },
  not_an_object: {
    message: 'This frame is JSON, but no object. Send one like {"type":"heartbeat"}.',
    retry: "no",
  },
  binary_frame: {
    message: "Binary frames are not understood. Send JSON as a text frame.",
    retry: "no",
  },
  unknown_type: {
    message: 'This "type" is not known here. See the list of frames in the protocol\'s docs.',
    retry: "no",
  },
  invalid_field: {
    message: "A field of this frame is missing or not of its type. See the protocol's docs.",
    retry: "no",
  },
  text_blank: {
    message: 'There is nothing to see in this "text".',
    retry: "no",
  },
  text_too_long: {
    message: 'This "text" is longer than the server allows.',
    retry: "no",
  },
  not_identified: {
    message: 'Take a name first: {"type":"identity","user":"your name"}.',
    retry: "no",
  },
  rate_limited: {
    message: "Too many frames in a short time. Wait a moment, then go on more slowly.",
    retry: "later",
  },
  ref_reused: {
    message: 'This "ref" stands for another text already. Use a new one for each message.',
    retry: "no",
  },
  busy: {
    message: "A history request is under way on this connection. Wait for its answer.",
    retry: "later",
  },
  unavailable: {
    message: "The server can not store messages at the moment. This one was not posted.",
    retry: "later",
  },
  unknown: {
    message: 'Whether this was posted is not known. Send it again with the same "ref".',
    retry: "later",
  },
  name_invalid: {
    message:
      "No valid name: 1 to 32 visible characters, no control or zero-width ones, no look-alike scripts.",
    retry: "no",
  },
  name_taken: {
    message: "Somebody in this channel has this name. Ask for another one.",
    retry: "later",
  },
  replaced: {
    message: "Another connection with your session took this name.",
    retry: "no",
  },
} as const satisfies Record<string, Code>;

export type CodeName = keyof typeof CODES;

/** With what the server closes a connection (RFC 6455, section 7.4). */
export const CLOSE = {
  /** The server stops: connect again. */
  goingAway: { code: 1001, reason: "The server is stopping. Connect again in a moment." },
  /** The client went on against the rate limit. */
  flooding: { code: 1008, reason: "Too many frames for too long. Send more slowly." },
  /** A handler failed: a defect of the server. */
  internal: { code: 1011, reason: "The server made a mistake with this connection." },
} as const;
