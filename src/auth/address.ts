import { BlockList, isIP } from "node:net";

/**
 * The address of a client: the socket's or, behind a trusted proxy, what the proxy says. Pure
 * functions over strings. Sources: RFC 4291 (IPv6), RFC 7239 (Forwarded).
 */

/** The header in which a proxy names the client. */
export const PROXY_HEADERS = ["x-forwarded-for", "forwarded", "x-real-ip"] as const;
export type ProxyHeader = (typeof PROXY_HEADERS)[number];

/**
 * An address in its one spelling: IPv4 as it is, IPv6 as eight groups, IPv4 in IPv6 as IPv4. A port,
 * brackets and a zone are left out.
 *
 * @returns undefined if this is not an address
 */
export function addressOf(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/^\[(.+)\](?::\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    .replace(/%.*$/, "");
  const family = isIP(bare);
  if (family !== 6) return family === 4 ? bare : undefined;
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!isMapped) return groups.map((group) => group.toString(16)).join(":");
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}

function groupsOf(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const pair = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
    return `${pair(a, b)}:${pair(c, d)}`;
  });
  const [before = "", after] = hex.split("::");
  const read = (part: string) => (part === "" ? [] : part.split(":").map((x) => parseInt(x, 16)));
  const [head, tail] = [read(before), read(after ?? "")];
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** What limits count as one client: an IPv4 address, or the /64 network of an IPv6 address. */
export function networkOf(address: string): string {
  return address.includes(":") ? `${address.split(":").slice(0, 4).join(":")}::/64` : address;
}

/** @returns the addresses and networks (CIDR) in a list with commas, or undefined if one is wrong */
export function blockListOf(text: string): BlockList | undefined {
  const list = new BlockList();
  for (const part of text.split(",").map((one) => one.trim())) {
    if (part === "") continue;
    const [address = "", prefix, more] = part.split("/");
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const bits = prefix === undefined ? most : /^\d+$/.test(prefix) ? Number(prefix) : NaN;
    if (family === 0 || more !== undefined || !(bits <= most)) return undefined;
    list.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

const PRIVATE = blockListOf(
  "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,100.64.0.0/10," +
    "::1,fc00::/7,fe80::/10",
)!;

export function isIn(list: BlockList, address: string): boolean {
  return list.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

/** Whether an address is of this machine or of a private network. */
export function isPrivate(address: string): boolean {
  return isIn(PRIVATE, address);
}

/**
 * The address of whoever made a request: the peer's or, if that is a trusted proxy, the nearest one
 * in the header that is not. A header from anyone else changes nothing.
 *
 * @param peer the socket's address; undefined on a unix socket, whose peer is a proxy
 * @returns undefined if it is unknown
 */
export function clientOf(
  peer: string | undefined,
  headers: Headers,
  trusted: BlockList,
  header: ProxyHeader,
): string | undefined {
  let client = peer === undefined ? undefined : addressOf(peer);
  if (client !== undefined && !isIn(trusted, client)) return client;
  for (const hop of hopsOf(headers, header).toReversed()) {
    const address = addressOf(hop);
    // What stands further left was not said by a proxy that is trusted.
    if (address === undefined) break;
    client = address;
    if (!isIn(trusted, address)) break;
  }
  return client;
}

/** The addresses in the header, the client's own first. */
function hopsOf(headers: Headers, header: ProxyHeader): string[] {
  const value = headers.get(header);
  if (value === null) return [];
  const parts = value.split(",");
  if (header !== "forwarded") return parts;
  return parts.map((part) => /(?:^|;)\s*for\s*=\s*"?([^";]+)/i.exec(part)?.[1] ?? "");
}
