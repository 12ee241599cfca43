import { describe, expect, test } from "bun:test";
import { allowsHost, allowsOrigin, originsOf } from "../../src/auth/origins.ts";

const listed = originsOf("https://my.site, https://*.my.site,http://localhost:3000")!;

test.each([
  "my.site",
  "https://",
  "https://my.site/path",
  "*,https://a",
  "ftp://a",
  "https://*",
  "",
])("ORIGINS=%j is rejected", (text) => {
  expect(originsOf(text)).toBeUndefined();
});

describe("an origin", () => {
  test.each([
    ["https://my.site", true],
    ["HTTPS://MY.SITE", true],
    ["https://a.my.site", true],
    ["https://a.b.my.site", true],
    ["http://localhost:3000", true],
    ["http://my.site", false],
    ["https://my.site:8443", false],
    ["https://evilmy.site", false],
    ["https://my.site.evil.example", false],
    ["https://.my.site.evil", false],
    ["http://localhost:3001", false],
    ["null", false],
  ])("%s is allowed: %p", (origin, allowed) => {
    expect(allowsOrigin(listed, origin)).toBe(allowed);
  });

  test("is not asked of a client that is not a browser", () => {
    expect(allowsOrigin(listed, null)).toBe(true);
  });

  test("may be listed with its usual port", () => {
    expect(allowsOrigin(originsOf("https://a:443,http://b:80")!, "https://a")).toBe(true);
    expect(allowsOrigin(originsOf("https://a:443,http://b:80")!, "http://b")).toBe(true);
  });

  test("is not asked for by default, and null only if it is listed", () => {
    expect(allowsOrigin(originsOf("*")!, "https://evil.example")).toBe(true);
    expect(allowsOrigin(originsOf("null")!, "null")).toBe(true);
  });
});

test.each([
  ["my.site", true],
  ["my.site:443", true],
  ["a.my.site", true],
  ["localhost:6060", true],
  ["127.0.0.1:6060", true],
  ["[::1]:6060", true],
  ["evil.example", false],
  ["my.site.evil.example", false],
  ["", false],
])("with origins listed, the Host %j is allowed: %p", (host, allowed) => {
  expect(allowsHost(listed, host)).toBe(allowed);
  expect(allowsHost(originsOf("*")!, host)).toBe(true);
});
