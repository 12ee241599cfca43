import { CLOSES_IN } from "../auth/visitors.ts";
import type { BrokerStatus } from "../broker/broker.ts";
import type { PathFault } from "../protocol/channels.ts";

/** Answers to plain HTTP requests: one sentence each that says what to do. */

/** The status and the sentence for a path that is not a channel. */
const FAULTS: Record<PathFault, [status: number, sentence: string]> = {
  empty: [404, "This path names no channel. Choose one, like /fishing."],
  encoding: [400, "This path is not percent-encoded UTF-8 (RFC 3986), so it names no channel."],
  characters: [
    400,
    "A channel's name cannot contain control, text direction or invisible characters, " +
      "or 31 marks in a row.",
  ],
  length: [414, "A channel's name has at most 128 characters."],
  reserved: [
    404,
    "Paths that begin with /-/ belong to the server, and there is nothing at this one.",
  ],
};

/** An answer that is one sentence of plain text, and is not to be stored. */
export function sentence(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "Cache-Control": "no-store",
      // Otherwise one turn of the event loop answers all that somebody has pipelined.
      Connection: "close",
      "X-Content-Type-Options": "nosniff",
      ...headers,
    },
  });
}

export function badPath(fault: PathFault): Response {
  return sentence(...FAULTS[fault]);
}

export function badRequest(): Response {
  return sentence(400, "The Host header and the path of this request do not make a valid URL.");
}

export function badHandshake(): Response {
  return sentence(400, "This is not a complete WebSocket handshake (RFC 6455, section 4.2.1).");
}

export function badMethod(): Response {
  return sentence(405, "Read a channel with GET, and talk in it over a WebSocket.", {
    Allow: "GET, HEAD",
  });
}

/** For a client that may not connect now. @param retryAfter in seconds */
export function tooMany(status: 429 | 503, text: string, retryAfter: number): Response {
  return sentence(status, text, {
    "Retry-After": String(retryAfter),
    // A page of another site whose connection failed may read why.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
  });
}

export function badOrigin(origin: string): Response {
  return sentence(403, `Pages from ${origin} may not connect here. See the setting ORIGINS.`);
}

export function badHost(host: string): Response {
  return sentence(403, `This server does not answer for ${host}. See the setting ORIGINS.`);
}

export function noChannel(): Response {
  return sentence(404, "This channel does not exist on this server. See the setting CHANNELS.");
}

/** For a client that connects while the server has as many connections as it may. */
export function full(): Response {
  const text =
    "The server has no room for more connections (MAX_CONNECTIONS). Try again in a moment.";
  return tooMany(503, text, CLOSES_IN);
}

/** For a client that connects while the server drains. */
export function stopping(): Response {
  return tooMany(503, "The server is stopping. Connect again in a moment.", 1);
}

/** @param url of the channel, as it was requested; a proxy may have taken the TLS away */
export function upgradeRequired(request: Request, url: URL): Response {
  const secure = url.protocol === "https:" || request.headers.get("x-forwarded-proto") === "https";
  const scheme = secure ? "wss" : "ws";
  const address = `${scheme}://${url.host}${url.pathname}`;
  return sentence(426, `This is a chat channel. Connect a WebSocket client to ${address}`, {
    Upgrade: "websocket",
    Connection: "Upgrade, close",
  });
}

/** Whether the server works. The reason stays in the log, since it may name files. */
export function health({ state }: BrokerStatus): Response {
  if (state === "ready") return sentence(200, "ok");
  return sentence(503, "The server accepts no messages at the moment. Its log says why.");
}

export function failed(): Response {
  return sentence(500, "Internal server error.");
}
