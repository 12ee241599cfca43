import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressOf,
  blockListOf,
  clientOf,
  isIn,
  isPrivate,
  networkOf,
} from "../../src/auth/address.ts";

describe("addressOf", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    [" 192.0.2.1:8080 ", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["[::FFFF:192.0.2.1]:80", "192.0.2.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["[2001:DB8::1]", "2001:db8:0:0:0:0:0:1"],
    ["2001:db8::", "2001:db8:0:0:0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1"],
    ["64:ff9b::192.0.2.33", "64:ff9b:0:0:0:0:c000:221"],
  ])("%s is %s", (text, address) => {
    expect(addressOf(text)).toBe(address);
  });

  test.each([
    "",
    "unknown",
    "_hidden",
    "192.0.2",
    "192.0.2.256",
    "1.2.3.4.5",
    "::1::",
    "a:b",
    "[]",
  ])("%j is not an address", (text) => {
    expect(addressOf(text)).toBeUndefined();
  });

  test("an IPv6 address has one spelling", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = addressOf(text)!;
        expect(addressOf(address)).toBe(address);
        expect(addressOf(text.toUpperCase())).toBe(address);
        const hostOf = (one: string) => URL.parse(`http://[${one}]/`)?.hostname;
        const mapped = address.includes(":") ? address : `::ffff:${address}`;
        // URLs allow fewer spellings.
        expect([undefined, hostOf(mapped)]).toContain(hostOf(text));
      }),
    );
  });
});

test("limits count IPv4 by its address and IPv6 by its /64", () => {
  const networks = ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:2:3::", "2001:db8:1:2::9"];
  expect(networks.map((text) => networkOf(addressOf(text)!))).toEqual([
    "192.0.2.1",
    "192.0.2.1",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::/64",
  ]);
});

test.each([
  ["127.0.0.1", true],
  ["10.1.2.3", true],
  ["172.31.255.255", true],
  ["172.32.0.1", false],
  ["192.168.0.1", true],
  ["::1", true],
  ["fd00::1", true],
  ["fe80::1", true],
  ["::ffff:10.0.0.1", true],
  ["192.0.2.1", false],
  ["2001:db8::1", false],
])("%s is private: %p", (text, expected) => {
  expect(isPrivate(addressOf(text)!)).toBe(expected);
});

test.each(["nobody", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/x", "10.0.0.0/8/8 "])(
  "TRUSTED_PROXIES=%s is rejected",
  (text) => {
    expect(blockListOf(text)).toBeUndefined();
  },
);

describe("clientOf", () => {
  const trusted = blockListOf("127.0.0.1, 10.0.0.0/8, 2001:db8:f::/48")!;
  const xff = (value: string) => new Headers({ "X-Forwarded-For": value });

  test.each([
    ["198.51.100.1", "203.0.113.9", "198.51.100.1", "a stranger's header changes nothing"],
    ["127.0.0.1", "203.0.113.9", "203.0.113.9", "a trusted proxy names the client"],
    ["::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9", "also as IPv4 in IPv6"],
    ["127.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9", "what the client sent is not believed"],
    ["127.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9", "a chain of trusted proxies is followed"],
    ["127.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.8", "a client may be in a trusted network"],
    ["127.0.0.1", "203.0.113.9, evil", "127.0.0.1", "what is not an address ends the chain"],
    ["127.0.0.1", "evil, 203.0.113.9", "203.0.113.9", "but only where it is needed"],
    ["127.0.0.1", "203.0.113.9:4711", "203.0.113.9", "a port is left out"],
    ["127.0.0.1", "", "127.0.0.1", "an empty header says nothing"],
    ["127.0.0.1", ",,,", "127.0.0.1", "nor do empty parts"],
  ])("%s, %j: %s (%s)", (peer, header, expected) => {
    expect(clientOf(peer, xff(header), trusted, "x-forwarded-for")).toBe(expected);
  });

  test("on a unix socket the peer is the proxy", () => {
    expect(clientOf(undefined, xff("203.0.113.9"), trusted, "x-forwarded-for")).toBe("203.0.113.9");
    expect(clientOf(undefined, new Headers(), trusted, "x-forwarded-for")).toBeUndefined();
  });

  test("Forwarded (RFC 7239) and X-Real-IP only if the setting says so", () => {
    const forwarded = new Headers({
      Forwarded: 'for=192.0.2.60;proto=http, for="[2001:db8:cafe::17]:4711"; by=10.0.0.1',
    });
    expect(clientOf("127.0.0.1", forwarded, trusted, "forwarded")).toBe("2001:db8:cafe:0:0:0:0:17");
    expect(clientOf("127.0.0.1", forwarded, trusted, "x-forwarded-for")).toBe("127.0.0.1");
    for (const hidden of ["for=_hidden", "for=unknown", "by=10.0.0.1", "for=;for="]) {
      const headers = new Headers({ Forwarded: hidden });
      expect(clientOf("127.0.0.1", headers, trusted, "forwarded")).toBe("127.0.0.1");
    }
    const real = new Headers({ "X-Real-IP": "203.0.113.9" });
    expect(clientOf("127.0.0.1", real, trusted, "x-real-ip")).toBe("203.0.113.9");
    expect(clientOf("127.0.0.1", real, trusted, "x-forwarded-for")).toBe("127.0.0.1");
  });

  test("whatever a header holds, the client is the peer or an address in it", () => {
    const part = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 10 }));
    fc.assert(
      fc.property(fc.ipV4(), fc.array(part, { maxLength: 8 }), (peer, parts) => {
        const value = parts.join(",").replace(/[^\x20-\x7e]/g, "?");
        const found = clientOf(peer, xff(value), trusted, "x-forwarded-for");
        const named = value.split(",").flatMap((one) => addressOf(one) ?? []);
        expect([peer, ...named]).toContain(found!);
        if (!isIn(trusted, peer)) expect(found).toBe(peer);
      }),
    );
  });
});
