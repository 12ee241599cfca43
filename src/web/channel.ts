/** Channels and their addresses. The server has the last word on what is one. */

/** The channel at a path that the server has answered with the page; undefined for `/`. */
export function channelAt(pathname: string): string | undefined {
  const id = decodeURIComponent(pathname.slice(1)).normalize("NFC");
  return id === "" ? undefined : id.replace(/\/$/, "");
}

export function pathOf(channel: string): string {
  return `/${channel.split("/").map(encodeURIComponent).join("/")}`;
}

const LONGEST = 128;

/** Where to go for what somebody has typed, or why it is no channel. */
export function channelFor(typed: string): { path: string } | { fault: string } {
  const channel = typed
    .trim()
    .replace(/^[#/]+/, "")
    .replace(/\/$/, "")
    .normalize("NFC");
  if (channel === "") return { fault: "Type the name of a channel, like fishing." };
  if ([...channel].length > LONGEST)
    return { fault: "A channel's name has at most 128 characters." };
  if (/^-(\/|$)/.test(channel)) return { fault: "Names that begin with -/ belong to the server." };
  if (channel.split("/").some((part) => part === "." || part === "..")) {
    return { fault: "A part of a channel's name can not be . or .. alone." };
  }
  if (/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(channel)) {
    return { fault: "A channel's name has no control or text direction characters." };
  }
  return { path: pathOf(channel) };
}

/** The address that one connects to for the page's own. */
export function socketUrl({
  protocol,
  host,
  pathname,
}: Pick<URL, "protocol" | "host" | "pathname">): string {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${pathname}`;
}
