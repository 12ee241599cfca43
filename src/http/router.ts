import type { BrokerStatus } from "../broker/broker.ts";
import { channelOfPath } from "../protocol/channels.ts";
import icon from "../web/favicon.ico" with { type: "file" };
import { badMethod, badPath, badRequest, health, upgradeRequired } from "./answers.ts";
import { libraryFile } from "./library.ts";
import { createPageFiles, type PageFiles } from "./page.ts";

/** The way into a channel. */
export interface Entrance {
  /** Upgrades the request to a connection of the channel, or gives the answer that refuses it. */
  upgrade(channel: string): Response | undefined;
  /** Why the request may not even read there or, with `connects`, could not connect now, if so. */
  refusal(channel: string, connects: boolean): Response | undefined;
}

export type Route = (
  request: Request,
  entrance: Entrance,
) => Response | Promise<Response> | undefined;

/** A Host header as it is on the wire. Parsing marks in one would take quadratic time. */
const HOST = /^[\w.:[\]-]{0,300}$/;

/** Channels are chats, not documents: search engines are asked for the first page alone. */
const ROBOTS = "User-agent: *\nAllow: /$\nDisallow: /\n";

/**
 * From a request to its answer.
 * @param status whether the server accepts messages
 */
export function createRouter(status: () => BrokerStatus): Route {
  const files = createPageFiles();
  return (request, entrance) => {
    const url = urlOf(request);
    if (url === null) return badRequest();
    const upgrades = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const reads = !upgrades && (request.method === "GET" || request.method === "HEAD");
    if (reads) {
      if (url.pathname === "/-/health") return health(status());
      const known = fileAt(request, url.pathname, files);
      if (known !== undefined) return known;
    }
    const channel = channelOfPath(url.pathname);
    if ("fault" in channel) return badPath(channel.fault);
    if (upgrades) return entrance.upgrade(channel.id);
    const page = reads && wantsPage(request);
    // Browsers hide why a handshake failed, so the page asks for it with a request of its own.
    const refusal = entrance.refusal(channel.id, !page);
    if (refusal !== undefined) return refusal;
    if (!reads) return badMethod();
    return page ? files.page(request) : upgradeRequired(request, url);
  };
}

function urlOf(request: Request): URL | null {
  const host = request.headers.get("host") ?? "";
  // HTTP/1.0 needs no Host header, but with a malformed one there is no URL.
  return HOST.test(host) ? URL.parse(request.url, host ? undefined : "http://localhost") : null;
}

/** What is at a path that is not a channel's, or that browsers and crawlers request automatically. */
function fileAt(
  request: Request,
  pathname: string,
  files: PageFiles,
): Response | Promise<Response> | undefined {
  if (pathname === "/-/client.js") return libraryFile(request);
  if (pathname === "/robots.txt") return lasting(ROBOTS, "text/plain; charset=utf-8");
  if (pathname === "/favicon.ico") return lasting(Bun.file(icon), "image/x-icon");
  if (pathname === "/" && wantsPage(request)) return files.page(request);
  return files.file(request, pathname);
}

function lasting(body: Blob | string, type: string): Response {
  return new Response(body, {
    headers: {
      "Content-Type": type,
      "Cache-Control": "public, max-age=86400",
      Connection: "close",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

/** Whether a browser opens the address: other clients are told how to connect. */
function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") === true;
}
