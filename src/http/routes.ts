import icon from "../web/favicon.ico" with { type: "file" };
import type { PathFault } from "../protocol/channels.ts";

/** What plain HTTP requests are answered. Every answer is one sentence that says what to do. */

/** The status and the sentence for a path that is no channel. */
const FAULTS: Record<PathFault, { status: number; sentence: string }> = {
  empty: {
    status: 404,
    sentence: "This path names no channel. Choose one, like /fishing.",
  },
  encoding: {
    status: 400,
    sentence: "This path is not percent-encoded UTF-8 (RFC 3986), so it names no channel.",
  },
  characters: {
    status: 400,
    sentence:
      "A channel's name has no control or text direction characters, nor 31 marks in a row.",
  },
  length: {
    status: 414,
    sentence: "A channel's name has at most 128 characters.",
  },
  reserved: {
    status: 404,
    sentence: "Paths that begin with /-/ belong to the server, and it has nothing here.",
  },
};

function sentence(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      ...headers,
    },
  });
}

export function badPath(fault: PathFault): Response {
  return sentence(FAULTS[fault].status, FAULTS[fault].sentence);
}

export function badRequest(): Response {
  return sentence(400, "This request's Host header and path make no URL.");
}

export function badHandshake(): Response {
  return sentence(400, "This is no complete WebSocket handshake (RFC 6455, section 4.2.1).");
}

export function badMethod(): Response {
  return sentence(405, "A channel is read with GET and spoken to over a WebSocket.", {
    Allow: "GET, HEAD",
  });
}

/** @param url of the channel, as it was asked for; a proxy may have taken the TLS away */
export function upgradeRequired(request: Request, url: URL): Response {
  const secure = url.protocol === "https:" || request.headers.get("x-forwarded-proto") === "https";
  const scheme = secure ? "wss" : "ws";
  const address = `${scheme}://${url.host}${url.pathname}`;
  return sentence(426, `This is a chat channel. Connect a WebSocket client to ${address}`, {
    Upgrade: "websocket",
    Connection: "Upgrade",
  });
}

export function failed(): Response {
  return sentence(500, "The server made a mistake with this request.");
}

/** Channels are talks and no documents: search engines are asked for the first page alone. */
const ROBOTS = "User-agent: *\nAllow: /$\nDisallow: /\n";

/** What stands at this path whatever is asked, also where browsers and crawlers look by themselves. */
export function fixedRoute(pathname: string): Response | undefined {
  if (pathname === "/-/health") return sentence(200, "ok");
  if (pathname === "/robots.txt") return lasting(ROBOTS, "text/plain; charset=utf-8");
  if (pathname === "/favicon.ico") return lasting(Bun.file(icon), "image/x-icon");
  return undefined;
}

function lasting(body: Blob | string, type: string): Response {
  return new Response(body, {
    headers: {
      "Content-Type": type,
      "Cache-Control": "public, max-age=86400",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

export function isReading(request: Request): boolean {
  return request.method === "GET" || request.method === "HEAD";
}

/** Whether this is a browser that opens the address: others are told how to connect instead. */
export function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") === true;
}
