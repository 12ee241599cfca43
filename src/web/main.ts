import { startChat } from "./chat.ts";
import { show } from "./dom.ts";
import { bindGo } from "./go.ts";
import { applyTheme } from "./theme.ts";
import { channelOfPath } from "../protocol/channels.ts";

/** The page: `/` asks for a channel, every other path is one. */
applyTheme();
const channel = channelOfPath(location.pathname);
if ("id" in channel) {
  show("chat");
  startChat(channel.id);
} else {
  show("landing");
  bindGo().focus();
}
