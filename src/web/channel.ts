import { type ChannelId, channelOf, channelOfPath, type PathFault } from "../protocol/channels.ts";
import { CHANNEL_LIMIT } from "../protocol/limits.ts";

/** Channels and their addresses. */

/**
 * The path of a channel, which stays on this server whatever the channel is called; undefined if no
 * URL can have it: browsers resolve a segment that is `.` or `..`.
 */
export function pathOf(channel: string): string | undefined {
  if (channel.split("/").some((part) => part === "." || part === "..")) return undefined;
  const path = channel.split("/").map(encodeURIComponent).join("/");
  // After the first slash, a second one would begin a host.
  const outer = path.replace(/^\/+|\/+$/g, (slashes) => "%2F".repeat(slashes.length));
  // The last slash of a path is not part of the channel.
  return `/${outer}${channel.endsWith("/") ? "/" : ""}`;
}

const FAULTS: Record<PathFault, string> = {
  empty: "Type the name of a channel, like fishing.",
  encoding: "This link does not lead to a channel.",
  reserved: "Names that start with -/ are reserved for the server.",
  characters: "A channel's name cannot have invisible or control characters.",
  length: `A channel's name can have at most ${CHANNEL_LIMIT} characters.`,
};

type Found = { path: string } | { fault: string };

/**
 * Where to go for what someone typed, or why it is not a channel.
 *
 * @param host this server's, whose links work as well
 */
export function channelFor(typed: string, host: string): Found {
  const words = typed.trim();
  if (/^(https?|wss?):\/\//i.test(words)) return channelOfLink(words, host);
  if (words.startsWith(`${host}/`)) return channelOfLink(`http://${words}`, host);
  return found(channelOf(words.replace(/^[#/]+/, "")));
}

function channelOfLink(link: string, host: string): Found {
  const url = URL.parse(link);
  if (url !== null && url.host !== host) {
    return { fault: "This link leads to another server. Open it in a new tab." };
  }
  const channel: ChannelId = url === null ? { fault: "encoding" } : channelOfPath(url.pathname);
  const none = "fault" in channel && channel.fault === "empty";
  return found(none ? { fault: "encoding" } : channel);
}

function found(channel: ChannelId): Found {
  if ("fault" in channel) return { fault: FAULTS[channel.fault] };
  const path = pathOf(channel.id);
  if (path === undefined) return { fault: "No part of a channel's name can be just . or .." };
  return { path };
}

/** The WebSocket URL of the page's own channel. */
export function socketUrl({
  protocol,
  host,
  pathname,
}: Pick<URL, "protocol" | "host" | "pathname">): string {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${pathname}`;
}
