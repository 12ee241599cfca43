import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CLOSE } from "../../src/protocol/codes.ts";
import { enter, enterAs } from "../helpers/client.ts";
import { residentOf } from "../helpers/process.ts";
import { frameOf, handshake, type RawSocket, rawSocket } from "../helpers/raw.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** What no correct client sends, and clients that do not read. */

let server: TestServer;
beforeAll(async () => {
  server = await serve({ messageRate: 0 });
});
afterAll(() => server.drain());

async function answerTo(request: string): Promise<string> {
  const socket = await rawSocket(server.http);
  socket.write(request);
  await socket.until("\r\n\r\n");
  socket.end();
  return socket.received();
}

describe("handshakes", () => {
  test("the response names a subprotocol only if shoal.v1 was offered", async () => {
    const answers = [
      [[], null],
      [["Sec-WebSocket-Protocol: chat"], null],
      [["Sec-WebSocket-Protocol: shoal.v2, shoal.v1x"], null],
      [["Sec-WebSocket-Protocol: shoal.v1"], "shoal.v1"],
      [["Sec-WebSocket-Protocol: chat, shoal.v1 , superchat"], "shoal.v1"],
      [["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: shoal.v1"], "shoal.v1"],
    ] as const;
    for (const [offer, protocol] of answers) {
      const answer = await answerTo(handshake("/a", [...offer]));
      const head = answer.slice(0, answer.indexOf("\r\n\r\n")).replace(/\r\nDate: [^\r]+/, "");
      const named = protocol === null ? [] : [`Sec-WebSocket-Protocol: ${protocol}`];
      expect(head.split("\r\n").toSorted()).toEqual(
        [
          "HTTP/1.1 101 Switching Protocols",
          "Upgrade: websocket",
          "Connection: Upgrade",
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
          ...named,
        ].toSorted(),
      );
    }
  });

  test.each([
    ["a malformed Host", handshake("/a").replace("localhost", "[bad"), 400],
    ["a Host with a space", handshake("/a").replace("localhost", "a b"), 400],
    ["a Host with percent-encoding", handshake("/a").replace("localhost", "a%CC%81"), 400],
    ["an endless Host", handshake("/a").replace("localhost", "a".repeat(1000)), 400],
    ["no Host", handshake("/a").replace("Host: localhost\r\n", ""), 400],
    ["no key", handshake("/a").replace(/Sec-WebSocket-Key: [^\r]+\r\n/, ""), 400],
    ["an old version", handshake("/a").replace("Version: 13", "Version: 8"), 426],
    ["POST", handshake("/a").replace("GET", "POST"), 400],
    ["something other than HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    ["an endless path", handshake(`/${"x".repeat(20_000)}`), 431],
  ])("with %s are rejected", async (_, request, status) => {
    expect(await answerTo(request)).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("a plain GET with a malformed Host is rejected as well", async () => {
    expect(await answerTo("GET /a HTTP/1.1\r\nHost: [bad\r\n\r\n")).toStartWith("HTTP/1.1 400 ");
  });

  test.each(["localhost", "chat.example.com:8080", "xn--bcher-kva.example", "[::1]:80", "a_b"])(
    "%s is accepted as a Host",
    async (host) => {
      const answer = await answerTo(`GET /-/health HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect(answer).toStartWith("HTTP/1.1 200 ");
    },
  );

  test("a health check can use HTTP/1.0 without a Host", async () => {
    expect(await answerTo("GET /-/health HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 200 ");
  });

  test("a path in raw UTF-8 works like a percent-encoded one", async () => {
    const socket = await rawSocket(server.http);
    socket.write(new TextEncoder().encode(handshake("/café")));
    await socket.until('"id":"cafÃ©"');
    socket.end();
  });
});

/** The code in the close frame that was received. Everything else that is received is ASCII. */
function closeCode(socket: RawSocket): number {
  const received = socket.received();
  // The last frame; before it, this byte can be a length.
  const at = received.lastIndexOf("\x88");
  return (received.charCodeAt(at + 2) << 8) | received.charCodeAt(at + 3);
}

const text = (bytes: string) => new TextEncoder().encode(bytes);

describe("a broken frame closes its connection and no other", () => {
  test.each([
    ["not masked", Uint8Array.of(0x81, 2, 0x7b, 0x7d), 1002],
    ["a reserved bit", Uint8Array.of(0xc1, 0x80, 0, 0, 0, 0), 1002],
    ["an unknown opcode", Uint8Array.of(0x83, 0x80, 0, 0, 0, 0), 1002],
    ["a long ping", frameOf(0x89, new Uint8Array(126)), 1002],
    ["a ping in parts", frameOf(0x09, text("hi")), 1002],
    ["a continuation of nothing", frameOf(0x80, text("{}")), 1002],
    ["invalid UTF-8", frameOf(0x81, Uint8Array.of(0xff, 0xfe)), 1007],
    ["half a character", frameOf(0x81, Uint8Array.of(0xe2, 0x82)), 1007],
    ["a length of 2^62", Uint8Array.of(0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1009],
    ["a length of 1 MiB", Uint8Array.of(0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0), 1009],
    ["a close with an invalid code", frameOf(0x88, Uint8Array.of(0, 1)), 1002],
  ])("%s", async (_, bytes, code) => {
    const witness = await enterAs(`${server.ws}/broken`, `w${Math.random()}`);
    const socket = await rawSocket(server.http);
    socket.write(handshake("/broken"));
    socket.frame('{"type":"identity","user":"broken"}');
    await socket.until('"success":"true"');
    socket.write(bytes);
    await socket.closed;
    expect(closeCode(socket)).toBe(code);
    witness.say({ type: "message", text: "fine" });
    expect((await witness.nextOf("message")).text).toBe("fine");
    witness.say({ type: "identity", user: "broken" });
    expect((await witness.nextOf("identity")).success).toBe("true");
    await witness.close();
  });
});

describe("unusual frames", () => {
  test("a message in fragments with a ping between them arrives as one message", async () => {
    const socket = await rawSocket(server.http);
    socket.write(handshake("/parts"));
    socket.frame('{"type":"identity","user":"slow"}');
    const frame = text('{"type":"message","text":"é"}');
    const cut = frame.indexOf(0xc3) + 1;
    socket.write(frameOf(0x01, frame.subarray(0, cut)));
    socket.write(frameOf(0x89, text("ping")));
    socket.write(frameOf(0x80, frame.subarray(cut)));
    await socket.until('"text":"Ã©"');
    expect(socket.received()).toContain("ping");
    socket.end();
  });

  test.each([
    ["pings", 0x89],
    ["pongs", 0x8a],
  ])("a flood of %s closes the connection with 1008", async (_, first) => {
    const socket = await rawSocket(server.http);
    socket.write(handshake("/flood"));
    await socket.until('"type":"connection"');
    const one = frameOf(first, new Uint8Array(0));
    socket.write(Buffer.concat(Array.from({ length: 300 }, () => one)));
    await socket.closed;
    expect(closeCode(socket)).toBe(CLOSE.flooding.code);
    expect(socket.received()).toContain(CLOSE.flooding.reason);
  });

  test("half a handshake and half a frame do not delay anyone else", async () => {
    const half = await rawSocket(server.http);
    half.write("GET /half HTTP/1.1\r\nHost: loc");
    const part = await rawSocket(server.http);
    part.write(handshake("/half"));
    part.write(Uint8Array.of(0x81, 0xfe, 0x01));
    const ann = await enterAs(`${server.ws}/half`, "ann");
    ann.say({ type: "message", text: "hi" });
    await part.until('"text":"hi"');
    half.end();
    part.end();
  });
});

describe("slow readers", () => {
  let shoal: Shoal;
  beforeAll(async () => {
    shoal = await startShoal({
      env: { MESSAGE_RATE: "0", SEND_BUFFER: "65536", TEXT_LIMIT: "4000" },
    });
  });
  afterAll(() => shoal.end());

  test("are disconnected once their buffer is full; the others get everything, in bounded memory", async () => {
    const stalled: RawSocket[] = [];
    for (let n = 0; n < 5; n++) {
      const socket = await rawSocket(shoal.http);
      socket.write(handshake("/river"));
      await socket.until('{"type":"connection"');
      socket.pause();
      stalled.push(socket);
    }
    const reader = await enter(`${shoal.ws}/river`);
    const writer = await enterAs(`${shoal.ws}/river`, "writer");
    const before = residentOf(shoal.pid);
    const text = "x".repeat(4000);
    const rounds = 10_000;
    let next = 0;
    for (let sent = 0; sent < rounds; sent++) {
      writer.say({ type: "message", text: `${sent} ${text.slice(8)}` });
      if (sent % 20 !== 19) continue;
      for (; next <= sent; next++) {
        expect((await reader.nextOf("message")).text).toStartWith(`${next} `);
        await writer.nextOf("message");
      }
    }
    // Five times 64 KiB, and what the allocator keeps: far less than the 40 MB that were sent.
    expect(residentOf(shoal.pid) - before).toBeLessThan(64 * 1024 * 1024);
    for (const socket of stalled) {
      socket.resume();
      await socket.closed;
      expect(withoutHoles(socket.received())).toBe(true);
      expect(socket.received()).not.toContain(`"text":"${rounds - 1} `);
    }
  }, 120_000);
});

/** Whether the messages received are the first ones, each exactly once. */
function withoutHoles(received: string): boolean {
  const numbers = [...received.matchAll(/"text":"(\d+) /g)].map(([, number]) => Number(number));
  return numbers.every((number, place) => number === place);
}

test.each(["GET /a", "HEAD /a", "POST /a", "GET /-/health", "GET /robots.txt"])(
  "of many %s in one connection the first is answered, and then it is closed",
  async (line) => {
    const socket = await rawSocket(server.http);
    socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(1000));
    await socket.closed;
    expect(socket.received().match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
  },
);
