import type { Chat, ChatOptions } from "./api.ts";
import { Client } from "./chat.ts";
import { channelUrl } from "./url.ts";

export type * from "./api.ts";

/**
 * Enters a channel and stays in it until close(): it reconnects whenever the connection is lost,
 * resumes after the last message, takes its name back and sends again what was not acknowledged.
 *
 * @param url the channel, like `wss://chat.example/fishing`; http and https work as well, and a page
 *   can leave its own origin out
 * @throws if the URL is not one for a WebSocket, or its path cannot be a channel: it is empty, or not
 *   percent-encoded UTF-8
 */
export function connect(url: string | URL, options: ChatOptions = {}): Chat {
  return new Client(channelUrl(url), options);
}
