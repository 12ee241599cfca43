/** Channels and their addresses. The server has the last word on what is one. */

/** The channel at a path that the server has answered with the page; undefined for `/`. */
export function channelAt(pathname: string): string | undefined {
  const id = decodeURIComponent(pathname.slice(1)).normalize("NFC");
  return id === "" ? undefined : id.replace(/\/$/, "");
}

/**
 * The path of a channel, which stays on this server whatever the channel is called; undefined where
 * a URL can not have it: one with a part that is `.` or `..`, which every browser resolves.
 */
export function pathOf(channel: string): string | undefined {
  if (channel.split("/").some((part) => part === "." || part === "..")) return undefined;
  const path = channel.split("/").map(encodeURIComponent).join("/");
  // Behind the first slash, a second one would begin a host.
  const outer = path.replace(/^\/+|\/+$/g, (slashes) => "%2F".repeat(slashes.length));
  // The last slash of a path is none of the channel's.
  return `/${outer}${channel.endsWith("/") ? "/" : ""}`;
}

const LONGEST = 128;

type Found = { path: string } | { fault: string };

/**
 * Where to go for what somebody has typed, or why it is no channel.
 *
 * @param host this server's, whose links do as well
 */
export function channelFor(typed: string, host: string): Found {
  const words = typed.trim();
  if (/^(https?|wss?):\/\//i.test(words)) return channelOfLink(words, host);
  if (words.startsWith(`${host}/`)) return channelOfLink(`http://${words}`, host);
  const channel = words
    .replace(/^[#/]+/, "")
    .replace(/\/$/, "")
    .normalize("NFC");
  if (channel === "") return { fault: "Type the name of a channel, like fishing." };
  return checked(channel);
}

function channelOfLink(link: string, host: string): Found {
  const none = { fault: "This link leads to no channel." };
  const url = URL.parse(link);
  if (url === null) return none;
  if (url.host !== host) {
    return { fault: "This link leads to another server. Open it in a new tab." };
  }
  try {
    const channel = channelAt(url.pathname) ?? "";
    return channel === "" ? none : checked(channel);
  } catch {
    // Its path is no text.
    return none;
  }
}

function checked(channel: string): Found {
  if ([...channel].length > LONGEST)
    return { fault: "A channel's name has at most 128 characters." };
  if (/^-(\/|$)/.test(channel)) return { fault: "Names that begin with -/ belong to the server." };
  if (/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(channel)) {
    return { fault: "A channel's name has no control or text direction characters." };
  }
  const path = pathOf(channel);
  if (path === undefined) return { fault: "A part of a channel's name can not be . or .. alone." };
  return { path };
}

/** The address that one connects to for the page's own. */
export function socketUrl({
  protocol,
  host,
  pathname,
}: Pick<URL, "protocol" | "host" | "pathname">): string {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${pathname}`;
}
