import { describe, expect, test } from "bun:test";
import { ADDRESS_LIMITS } from "../../src/protocol/codes.ts";
import { type ClientOptions, connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { handshake, rawSocket } from "../helpers/raw.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { blockListOf } from "../../src/auth/address.ts";
import { channelsOf } from "../../src/auth/channels.ts";
import { originsOf } from "../../src/auth/origins.ts";

/** Who may connect: addresses, origins, channels. The tests are a proxy, which loopback is trusted as. */

function from(address: string, more: ClientOptions = {}): ClientOptions {
  return { ...more, headers: { "X-Forwarded-For": address } };
}

/** The whole answer to a handshake, without its date. */
async function answerTo(server: TestServer, path: string, headers: string[]): Promise<string> {
  const socket = await rawSocket(server.http);
  socket.write(handshake(path, headers));
  await socket.until("\r\n\r\n");
  if (!socket.received().startsWith("HTTP/1.1 101 ")) await socket.until(".\n");
  socket.end();
  return socket.received().replace(/Date: [^\r]+\r\n/, "");
}

function refusal(status: string, sentence: string, headers: string[] = []): string {
  return [
    `HTTP/1.1 ${status}`,
    ...headers,
    "Content-Type: text/plain; charset=utf-8",
    "Cache-Control: no-store",
    "Connection: close",
    "X-Content-Type-Options: nosniff",
    `Content-Length: ${sentence.length + 1}`,
    "",
    `${sentence}\n`,
  ].join("\r\n");
}

/** The lines of an answer in any order, since the order of headers means nothing. */
const lines = (answer: string) => answer.split("\r\n").toSorted();

describe("connections from one address", () => {
  const few = { ipConnections: 2 };
  const sentence =
    "Too many connections from your address (IP_CONNECTIONS). Try again in a moment.";

  test("have a limit, which other addresses do not notice", async () => {
    await using server = await serve(few);
    const url = `${server.ws}/a`;
    const one = await enter(url, from("203.0.113.1"));
    await enter(url, from("203.0.113.1"));
    const answer = await answerTo(server, "/a", ["X-Forwarded-For: 203.0.113.1"]);
    expect(lines(answer)).toEqual(
      lines(
        refusal("429 Too Many Requests", sentence, [
          "Retry-After: 10",
          "Access-Control-Allow-Origin: *",
          "Access-Control-Expose-Headers: Retry-After",
        ]),
      ),
    );
    await enter(url, from("203.0.113.2"));
    await one.close();
    await enter(url, from("203.0.113.1"));
  });

  test("count an IPv6 network as one", async () => {
    await using server = await serve(few);
    const url = `${server.ws}/a`;
    await enter(url, from("2001:db8::1"));
    await enter(url, from("2001:db8::2"));
    const answer = await answerTo(server, "/a", ["X-Forwarded-For: 2001:db8::3"]);
    expect(answer).toStartWith("HTTP/1.1 429 ");
    await enter(url, from("2001:db8:0:1::1"));
  });

  test("have a rate, and a refusal says when to come again", async () => {
    await using server = await serve({ ipConnectionRate: 0.5, ipConnectionBurst: 1 });
    await (await enter(`${server.ws}/a`, from("203.0.113.1"))).close();
    const answer = await answerTo(server, "/a", ["X-Forwarded-For: 203.0.113.1"]);
    expect(answer).toContain("Retry-After: 2\r\n");
    expect(answer).toContain("(IP_CONNECTION_RATE)");
  });

  test("have none in a private network, behind a proxy or not", async () => {
    await using server = await serve({ ipConnections: 1, ipConnectionBurst: 1 });
    for (const options of [{}, {}, from("10.0.0.1"), from("10.0.0.1"), from("fd00::1")]) {
      await enter(`${server.ws}/a`, options);
    }
  });

  test("a forged header changes nothing, and an undeclared proxy is warned about once", async () => {
    const log: string[] = [];
    const settings = { ...few, trustedProxies: blockListOf("192.0.2.1")! };
    await using server = await serve(settings, { onLog: log });
    for (let n = 0; n < 4; n++) await enter(`${server.ws}/a`, from("203.0.113.1"));
    const warnings = log.filter((line) => line.includes("TRUSTED_PROXIES"));
    expect(warnings.length).toBe(1);
  });

  test("a trusted proxy with a visitor in a private network is not warned about", async () => {
    const log: string[] = [];
    await using server = await serve({}, { onLog: log });
    await enter(`${server.ws}/a`, from("192.168.1.7"));
    expect(log.filter((line) => line.includes("TRUSTED_PROXIES"))).toEqual([]);
  });
});

describe("connections in all", () => {
  const sentence =
    "The server has no room for more connections (MAX_CONNECTIONS). Try again in a moment.";

  test("have a limit, for private addresses too, and the log says so once", async () => {
    const log: string[] = [];
    await using server = await serve({ maxConnections: 2 }, { onLog: log });
    const url = `${server.ws}/a`;
    const one = await enter(url, from("203.0.113.1"));
    await enter(url);
    const expected = refusal("503 Service Unavailable", sentence, [
      "Retry-After: 10",
      "Access-Control-Allow-Origin: *",
      "Access-Control-Expose-Headers: Retry-After",
    ]);
    for (const address of ["203.0.113.2", "10.0.0.1"]) {
      const answer = await answerTo(server, "/a", [`X-Forwarded-For: ${address}`]);
      expect(lines(answer)).toEqual(lines(expected));
    }
    const refused = log.map((line) => JSON.parse(line)).filter(({ level }) => level === "warn");
    expect(refused).toMatchObject([
      { event: "connections refused", setting: "MAX_CONNECTIONS", refused: 1 },
    ]);
    await one.close();
    await enter(url, from("203.0.113.2"));
  });

  test("count those that were not upgraded no longer", async () => {
    await using server = await serve({ maxConnections: 1 });
    const socket = await rawSocket(server.http);
    socket.write(handshake("/a").replace(/Sec-WebSocket-Key.*\r\n/, ""));
    await socket.until("HTTP/1.1 400 ");
    socket.end();
    await enter(`${server.ws}/a`);
  });
});

test("messages from one address have a limit, which nobody is disconnected for", async () => {
  await using server = await serve({ ipMessageRate: 0.001, ipMessageBurst: 3, messageRate: 0 });
  const url = `${server.ws}/a`;
  const ann = await enterAs(url, "ann", from("203.0.113.1", V1));
  const bob = await enterAs(url, "bob", from("203.0.113.1", V1));
  const eve = await enterAs(url, "eve", from("203.0.113.2", V1));
  ann.say({ type: "message", text: "1", ref: "1" });
  bob.say({ type: "message", text: "2", ref: "2" });
  ann.say({ type: "message", text: "3", ref: "3" });
  await ann.nextOf("ack");
  await ann.nextOf("ack");
  for (let n = 0; n < 150; n++) {
    bob.say({ type: "message", text: "4", ref: "4" });
    const { code, message, ref } = await bob.nextOf("error");
    expect([code, message, ref]).toEqual(["rate_limited", ADDRESS_LIMITS.IP_MESSAGE_RATE, "4"]);
  }
  eve.say({ type: "message", text: "5", ref: "5" });
  await eve.nextOf("ack");
});

test("the log says which address was disconnected for flooding", async () => {
  const log: string[] = [];
  await using server = await serve({ messageRate: 0.001, messageBurst: 1 }, { onLog: log });
  const ann = await enter(`${server.ws}/a`, from("203.0.113.1"));
  for (let n = 0; n < 101; n++) ann.say("x");
  await ann.closed;
  const [closed] = log.filter((line) => line.includes("closed by the server"));
  expect(JSON.parse(closed!)).toMatchObject({ channel: "a", address: "203.0.113.1", code: 1008 });
});

test("first messages into silent channels have a limit, and go on elsewhere", async () => {
  await using server = await serve({ ipChannelRate: 0.001, ipChannelBurst: 2 });
  const talk = async (channel: string, address: string) => {
    const one = await enterAs(`${server.ws}/${channel}`, "ann", from(address, V1));
    one.say({ type: "message", text: "x", ref: "1" });
    const answer = JSON.parse(await one.next());
    await one.close();
    return answer.type === "error" ? answer.message : "posted";
  };
  expect(await talk("a", "203.0.113.1")).toBe("posted");
  expect(await talk("b", "203.0.113.1")).toBe("posted");
  expect(await talk("c", "203.0.113.1")).toBe(ADDRESS_LIMITS.IP_CHANNEL_RATE);
  expect(await talk("a", "203.0.113.1")).toBe("posted");
  expect(await talk("c", "203.0.113.2")).toBe("posted");
  expect(await talk("c", "203.0.113.1")).toBe("posted");
});

test("a plain request is told why a connection would be refused, but the page comes", async () => {
  await using server = await serve({ ipConnections: 1 });
  await enter(`${server.ws}/a`, from("203.0.113.1"));
  const ask = (accept: string, address: string) =>
    fetch(`${server.http}/a`, { headers: { Accept: accept, "X-Forwarded-For": address } });
  const refused = await ask("text/plain", "203.0.113.1");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "10"]);
  expect(refused.headers.get("access-control-allow-origin")).toBe("*");
  expect(await refused.text()).toContain("(IP_CONNECTIONS)");
  expect((await ask("text/html", "203.0.113.1")).status).toBe(200);
  expect((await ask("text/plain", "203.0.113.2")).status).toBe(426);
});

describe("with ORIGINS set", () => {
  const settings = { origins: originsOf("https://my.site,https://*.my.site")! };
  test("a browser's page on another site is refused with 403", async () => {
    await using server = await serve(settings);
    const answer = await answerTo(server, "/a", ["Origin: https://evil.example"]);
    const sentence =
      "Pages from https://evil.example may not connect here. See the setting ORIGINS.";
    expect(lines(answer)).toEqual(lines(refusal("403 Forbidden", sentence)));
    for (const origin of ["https://my.site", "https://chat.my.site"]) {
      expect(await answerTo(server, "/a", [`Origin: ${origin}`])).toStartWith("HTTP/1.1 101 ");
    }
    await (await connect(`${server.ws}/a`)).close();
  });

  test("its own page is told so, for which browsers send no Origin", async () => {
    await using server = await serve(settings);
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(`${server.http}/a`, { headers });
      return [response.status, await response.text()];
    };
    const [status, sentence] = await ask({ Referer: `${server.http}/a` });
    expect([status, sentence]).toEqual([403, expect.stringContaining(`from ${server.http} may`)]);
    expect((await ask({ Referer: "https://chat.my.site/a" }))[0]).toBe(426);
    expect((await ask({ Referer: "?", Accept: "text/html" }))[0]).toBe(200);
  });

  test("a Host that is not Shoal's own is refused, for the page too", async () => {
    await using server = await serve(settings);
    const headers = { Host: "evil.example", Accept: "text/html" };
    const response = await fetch(`${server.http}/a`, { headers });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("evil.example");
    const own = await fetch(`${server.http}/a`, { headers: { ...headers, Host: "chat.my.site" } });
    expect(own.status).toBe(200);
    const socket = await rawSocket(server.http);
    socket.write(handshake("/a").replace("Host: localhost", "Host: evil.example"));
    await socket.until("HTTP/1.1 403 ");
    socket.end();
  });
});

test("with CHANNELS set, others answer 404 to sockets and requests alike", async () => {
  await using server = await serve({ channels: channelsOf("fishing, team/*")! });
  for (const path of ["/fishing", "/team/a", "/team/a/b"]) {
    await (await enter(server.ws + path)).close();
  }
  const sentence = "This channel does not exist on this server. See the setting CHANNELS.";
  for (const path of ["/fishing2", "/Fishing", "/team", "/a/team/b"]) {
    const answer = await answerTo(server, path, []);
    expect(lines(answer)).toEqual(lines(refusal("404 Not Found", sentence)));
    const response = await fetch(server.http + path, { headers: { Accept: "text/html" } });
    expect([response.status, await response.text()]).toEqual([404, `${sentence}\n`]);
  }
});
