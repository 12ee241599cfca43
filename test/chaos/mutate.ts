import { randomFrom } from "../helpers/random.ts";

/** Frames and requests that are almost right: mutated from valid ones, and the same for a seed. */

const TEXTS = [
  '{"type":"heartbeat"}',
  '{"type":"identity","user":"ann"}',
  '{"type":"identity","user":"","session":"kZ2"}',
  '{"type":"identity","user":"bob 2","session":"bopfCBzHKsk4np2LdPeAwsYCkRbYh8h6DbXQIrotQAA"}',
  '{"type":"message","text":"hi"}',
  '{"type":"message","text":"Any \\u00e9 \\ud83d\\ude00 bites?","ref":"r1"}',
  '{"text":"the other way round","ref":"r2","type":"message"}',
  '{"type":"history"}',
  '{"type":"history","limit":3}',
  '{"type":"history","after":1652997756123000,"limit":200}',
  '{"type":"history","before":1652997756123000}',
  '{"type":"presence"}',
];

/** What breaks parsers: limits of numbers, surrogates, keys of prototypes, quotes, nesting. */
const PIECES = [
  ..."0 -0 -1 1e400 1e-400 9007199254740991 9007199254740992 1.5 0x10 01 NaN".split(" "),
  ...'true false null [] {} [[ ]] {{ }} , : " \\ \\\\ \\u \\ud800 \\udc00 \\u0000'.split(" "),
  ...['"__proto__":', '"constructor":', '"type":', '"type":"message"', '"text":', '"ref":"r1"'],
  ...["\u0000", "\u200b", "\u202e", "\ufeff", "\u{1F41F}", "e\u0301\u0301", "ẞ", "İ", "\u2028"],
  ...["/", "%", "%00", "%ff", "%2f", "..", "//", " ", "\t", "\r", "\n", "\r\n"],
];

export class Mutator {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.random() * below);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** The bytes of what could be the text of a frame. Most are UTF-8, and some are JSON. */
  text(): Uint8Array {
    return this.mutate(this.pick(TEXTS), TEXTS);
  }

  /** @param others what pieces to splice in are cut from */
  mutate(source: string, others: readonly string[]): Uint8Array {
    let text = source;
    for (let turns = this.pick([0, 1, 1, 1, 2, 3, 6]); turns > 0; turns--) {
      text = this.#change(text, others);
    }
    const bytes = new TextEncoder().encode(text);
    if (this.random() < 0.05 && bytes.length > 0) {
      bytes[this.below(bytes.length)]! ^= 1 << this.below(8);
    }
    return bytes;
  }

  #change(text: string, others: readonly string[]): string {
    const at = this.below(text.length + 1);
    const to = at + this.below(text.length + 1 - at);
    const [head, part, tail] = [text.slice(0, at), text.slice(at, to), text.slice(to)];
    switch (this.below(9)) {
      case 0:
        return head + tail;
      case 1:
        return head + part + part + tail;
      case 2:
        return head + this.pick(PIECES) + part + tail;
      case 3:
        return head + this.pick(PIECES) + tail;
      case 4: {
        const other = this.pick(others);
        return head + other.slice(this.below(other.length));
      }
      case 5: {
        const code = text.charCodeAt(at) ^ (1 << this.below(7));
        return at < text.length ? head + String.fromCharCode(code) + text.slice(at + 1) : head;
      }
      case 6:
        return head + this.pick(PIECES).repeat(this.pick([2, 10, 50, 300])) + part + tail;
      case 7: {
        const depth = this.pick([2, 20, 500]);
        const [open, close] = this.pick([
          ["[", "]"],
          ['{"a":', "}"],
        ] as const);
        return head + open.repeat(depth) + (part || "1") + close.repeat(depth) + tail;
      }
      default:
        return text.replace(/\d+|"[^"]*"/, this.pick(PIECES));
    }
  }

  /** A frame (RFC 6455, section 5.2) with a random mask. */
  frame(first: number, payload: Uint8Array): Uint8Array {
    const { length } = payload;
    const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : [];
    if (size.length === 0) throw new Error("too long");
    const mask = Uint8Array.from({ length: 4 }, () => this.below(256));
    const bytes = Uint8Array.of(first, ...size, ...mask, ...payload);
    bytes[1]! |= 0x80;
    const start = 1 + size.length + 4;
    for (let at = 0; at < length; at++) bytes[start + at]! ^= mask[at & 3]!;
    return bytes;
  }

  /** A message as a client may send it: whole or in parts, with pings between them. */
  message(): Uint8Array[] {
    const payload = this.text().subarray(0, 60_000);
    const opcode = this.random() < 0.03 ? 2 : 1;
    if (this.random() < 0.85) return [this.frame(0x80 | opcode, payload)];
    const parts = 2 + this.below(4);
    const frames: Uint8Array[] = [];
    for (let part = 0, at = 0; part < parts; part++) {
      const end = part === parts - 1 ? payload.length : at + this.below(payload.length - at + 1);
      const first = (part === parts - 1 ? 0x80 : 0) | (part === 0 ? opcode : 0);
      frames.push(this.frame(first, payload.subarray(at, end)));
      if (this.random() < 0.1) frames.push(this.frame(0x89, Uint8Array.of(this.below(256))));
      at = end;
    }
    return frames;
  }

  /** Bytes that are hardly a frame any more. */
  broken(): Uint8Array {
    const frame = this.frame(this.pick([0x81, 0x80, 0x01, 0x82, 0x89, 0x88]), this.text());
    const at = this.below(Math.min(frame.length, 14));
    switch (this.below(5)) {
      case 0:
        return frame.subarray(0, at);
      case 1:
        frame[at]! ^= 1 << this.below(8);
        return frame;
      case 2:
        frame[0]! ^= 1 << this.below(8);
        return frame;
      case 3:
        frame[1]! ^= 1 << this.below(8);
        return frame;
      default:
        return Uint8Array.from({ length: 1 + this.below(30) }, () => this.below(256));
    }
  }

  request(): Uint8Array {
    return this.mutate(this.pick(REQUESTS), REQUESTS);
  }
}

const UPGRADE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
];
const REQUESTS = [
  ["GET /fishing HTTP/1.1", "Host: localhost"],
  ["GET /caf%C3%A9/a?b=c HTTP/1.1", "Host: chat.example.com:8080", "Accept: text/html"],
  ["GET /-/health HTTP/1.1", "Host: [::1]:80"],
  ["GET /-/client.js HTTP/1.1", "Host: localhost", 'If-None-Match: "x"'],
  ["HEAD / HTTP/1.1", "Host: localhost", "X-Forwarded-For: 203.0.113.9, 198.51.100.3"],
  ["POST /fishing HTTP/1.1", "Host: localhost", "Content-Length: 2", "", "hi"],
  ["POST /a HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", "", "2", "hi", "0"],
  ["GET /talk HTTP/1.1", "Host: localhost", "Origin: https://my.site", ...UPGRADE],
  ["GET /v1 HTTP/1.1", "Host: localhost", ...UPGRADE, "Sec-WebSocket-Protocol: shoal.v1"],
].map((lines) => `${lines.join("\r\n")}\r\n\r\n`);

/** What a server has to make of the bytes that a client has sent after the handshake. */
export interface Verdict {
  /** Complete messages, as text; undefined for a binary one. */
  readonly messages: (string | undefined)[];
  readonly pings: number;
  /**
   * `broken`: it violates RFC 6455; `unsure`: it does, with its last bytes, so that the server may
   * still wait for the rest of a header; `closed`: it ends with a close frame; else it goes on.
   */
  readonly end: "broken" | "unsure" | "closed" | "open";
}

/** Bytes: the first two, eight for the length, four for the mask. */
const LONGEST_HEADER = 14;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads what a client has sent, by RFC 6455. @param limit bytes in a message */
export function judge(bytes: Uint8Array, limit: number): Verdict {
  const messages: (string | undefined)[] = [];
  let pings = 0;
  let parts: { opcode: number; bytes: Uint8Array[]; size: number } | undefined;
  const verdict = (end: Verdict["end"]) => ({ messages, pings, end });
  for (let at = 0; at + 2 <= bytes.length;) {
    const [first, second] = [bytes[at]!, bytes[at + 1]!];
    const [opcode, final] = [first & 0x0f, first >= 0x80];
    const control = opcode >= 8;
    const short = second & 0x7f;
    const wrong = bytes.length - at < LONGEST_HEADER ? "unsure" : "broken";
    if ((first & 0x70) !== 0 || second < 0x80) return verdict(wrong);
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return verdict(wrong);
    if (control ? !final || short > 125 : (opcode === 0) !== (parts !== undefined)) {
      return verdict(wrong);
    }
    const more = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = at + 2 + more + 4;
    if (at + 2 + more > bytes.length) break;
    let length = more === 0 ? short : 0;
    for (let n = 0; n < more; n++) length = length * 256 + bytes[at + 2 + n]!;
    if (!control && length + (parts?.size ?? 0) > limit) return verdict(wrong);
    if (start + length > bytes.length) break;
    // A copy: of a Buffer, `slice` would be a view.
    const payload = Uint8Array.from(bytes.subarray(start, start + length));
    for (let n = 0; n < length; n++) payload[n]! ^= bytes[start - 4 + (n & 3)]!;
    at = start + length;
    if (opcode === 8) return verdict("closed");
    if (opcode === 9) pings++;
    if (control) continue;
    parts ??= { opcode, bytes: [], size: 0 };
    parts.bytes.push(payload);
    parts.size += length;
    if (!final) continue;
    const whole = Buffer.concat(parts.bytes);
    if (parts.opcode === 2) messages.push(undefined);
    else {
      try {
        messages.push(utf8.decode(whole));
      } catch {
        return verdict("broken");
      }
    }
    parts = undefined;
  }
  return verdict("open");
}
