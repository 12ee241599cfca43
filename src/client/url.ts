/**
 * The URL of a channel's WebSocket.
 *
 * @param url absolute, or relative to the page; http and https become ws and wss
 * @throws if this is not a URL, or its path cannot be a channel
 */
export function channelUrl(url: string | URL): URL {
  const { location } = globalThis as { location?: { href: string } };
  const target = new URL(url, location?.href);
  target.protocol = target.protocol.replace("http", "ws");
  target.hash = "";
  if (!mayBeChannel(target.pathname)) throw new TypeError(`${target.href} is not a channel.`);
  return target;
}

/** What every server rejects is not worth trying forever; the server decides about the rest. */
function mayBeChannel(pathname: string): boolean {
  try {
    return !/^\/\/?$/.test(decodeURIComponent(pathname));
  } catch {
    return false;
  }
}
