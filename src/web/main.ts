import { channelAt } from "./channel.ts";
import { startChat } from "./chat.ts";
import { show } from "./dom.ts";
import { bindGo } from "./go.ts";
import { applyTheme } from "./theme.ts";

/** The page: `/` asks for a channel, and every other path is one. */
applyTheme();
const channel = channelAt(location.pathname);
if (channel === undefined) {
  show("landing");
  bindGo().focus();
} else {
  show("chat");
  startChat(channel);
}
