import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** The page, its files and the client library, over HTTP. */
describe("over HTTP", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serve();
  });
  afterAll(() => server.drain());

  const browser = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

  function ask(path: string, options: RequestInit = { headers: browser }): Promise<Response> {
    return fetch(server.http + path, { ...options, redirect: "manual" });
  }

  test.each([
    ["/", 200, "text/html"],
    ["/fishing", 200, "text/html"],
    ["/caf%C3%A9/", 200, "text/html"],
    ["/a/b", 200, "text/html"],
    ["/favicon.ico", 200, "image/x-icon"],
    ["/robots.txt", 200, "text/plain"],
    ["/-/client.js", 200, "text/javascript"],
    ["/-/health", 200, "text/plain"],
    ["/-/nope", 404, "text/plain"],
    ["/-/page/nope.js", 404, "text/plain"],
    ["/-/page/index.html", 404, "text/plain"],
    ["/%zz", 400, "text/plain"],
    ["/%00", 400, "text/plain"],
    [`/${"a".repeat(129)}`, 414, "text/plain"],
  ])("serves a browser at %s with %d %s, to GET and HEAD", async (path, status, type) => {
    for (const method of ["GET", "HEAD"]) {
      const response = await ask(path, { method, headers: browser });
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toStartWith(type);
      const body = await response.text();
      expect(body === "").toBe(method === "HEAD");
    }
  });

  test("tells other clients how to connect", async () => {
    for (const headers of [{}, { Accept: "*/*" }, { Accept: "application/json" }]) {
      const response = await ask("/fishing", { headers });
      expect(response.status).toBe(426);
      expect(await response.text()).toContain(`${server.ws}/fishing`);
    }
  });

  test("accepts WebSockets at the paths of the page", async () => {
    const socket = await connect(`${server.ws}/fishing`);
    expect(await socket.next()).toBe('{"type":"connection","id":"fishing"}');
    await socket.close();
  });

  test("sends a policy that forbids the page whatever it does not need", async () => {
    const { headers } = await ask("/fishing");
    const policy = headers.get("content-security-policy");
    expect(policy).toStartWith("default-src 'none'; script-src 'self';");
    expect(policy).not.toContain("unsafe");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("serves the page's files compressed, immutable and with an ETag", async () => {
    const html = await (await ask("/")).text();
    const paths = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) {
      const response = await ask(path, { headers: { "Accept-Encoding": "gzip" } });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-encoding")).toBe("gzip");
      expect(response.headers.get("cache-control")).toContain("immutable");
      const tag = response.headers.get("etag") ?? "";
      expect((await ask(path, { headers: { "If-None-Match": tag } })).status).toBe(304);
    }
    expect(html).not.toMatch(/https?:\/\//);
  });

  test("serves the client library to pages on any site", async () => {
    const response = await ask("/-/client.js");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const code = await response.text();
    expect(code).toMatch(/export\s*\{[^}]*\bconnect\b/);
    expect(Bun.gzipSync(code).length).toBeLessThan(6000);
  });

  test.each([
    ["gzip", "gzip"],
    ["br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"],
    ["GZIP", "gzip"],
    ["gzip;q=0, identity", null],
    ["gzip; q=0.000", null],
    ["gzip-like", null],
    ["identity", null],
  ])("with Accept-Encoding %p, the Content-Encoding is %p", async (accepted, encoding) => {
    const { headers } = await ask("/-/client.js", { headers: { "Accept-Encoding": accepted } });
    expect(headers.get("content-encoding")).toBe(encoding);
    expect(headers.get("vary")).toBe("Accept-Encoding");
    // Both encodings share the tag, so it is a weak one (RFC 9110, section 8.8.1).
    expect(headers.get("etag")).toStartWith('W/"');
  });
});
