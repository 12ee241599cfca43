import { describe, expect, test } from "bun:test";
import {
  clientFrame,
  createStamp,
  kindOf,
  PLAIN,
  type Scan,
  scan,
  senderOf,
  textOffset,
  timeOf,
} from "../bench/load-wire.ts";
import { DIALECTS } from "../bench/dialects.ts";

/** A frame of a server, without a mask. */
function serverFrame(payload: string, opcode = 1): Buffer {
  const body = Buffer.from(payload);
  const { length } = body;
  if (length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, length]), body]);
  const long = length > 0xffff;
  const header = Buffer.alloc(long ? 10 : 4);
  header[0] = 0x80 | opcode;
  header[1] = long ? 127 : 126;
  if (long) header.writeBigUInt64BE(BigInt(length), 2);
  else header.writeUInt16BE(length, 2);
  return Buffer.concat([header, body]);
}

/** What a scan shows of bytes in reads of this size. */
function seen(bytes: Uint8Array, size: number): { head: string; length: number }[] {
  const state: Scan = { skip: 0, rest: undefined };
  const found: { head: string; length: number }[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    scan(state, bytes.subarray(at, at + size), (_, chunk, start, length) => {
      const head = chunk.subarray(start, start + Math.min(length, 64));
      found.push({ head: Buffer.from(head).toString(), length });
    });
  }
  return found;
}

describe("a scan", () => {
  const payloads = ["", "a", "b".repeat(63), "c".repeat(125), "d".repeat(126), "e".repeat(70_000)];
  const bytes = Buffer.concat([...payloads, ...payloads].map((payload) => serverFrame(payload)));
  const expected = [...payloads, ...payloads].map((payload) => ({
    head: payload.slice(0, 64),
    length: payload.length,
  }));

  test.each([1, 2, 3, 7, 63, 64, 65, 66, 127, 1000, 65_536, 1_000_000])(
    "shows each frame once, in reads of %i bytes",
    (size) => expect(seen(bytes, size)).toEqual(expected),
  );
});

describe("a stamp", () => {
  test.each(Object.entries(DIALECTS))("is read where it was written: %s", (name, dialect) => {
    const bytes = createStamp(dialect, 48)(3, 1234, 9_876_543_210);
    const length = bytes.length / 3;
    const header = length > 126 + 8 ? 8 : 6;
    for (let frame = 0; frame < 3; frame++) {
      const payload = bytes.subarray(frame * length + header, (frame + 1) * length);
      expect(senderOf(payload, textOffset(dialect))).toBe(1234);
      expect(timeOf(payload, textOffset(dialect))).toBe(9_876_543_210);
      expect(kindOf(1, payload, 0, dialect)).toBe("message");
      const text = Buffer.from(payload).toString();
      const json = name.startsWith("socket.io") ? JSON.parse(text.slice(2))[1] : JSON.parse(text);
      expect(json.text).toHaveLength(48);
    }
  });

  test("makes frames for other servers as long as Shoal's", () => {
    const user = "u00000";
    const text = "x".repeat(48);
    const plain = { type: "message", text, timestamp: 1652997756, user };
    const v1 = { ...plain, id: 1652997756000000, prev: 1652997756000000 };
    for (const [dialect, frame] of [
      [DIALECTS.echo, plain],
      [DIALECTS["echo v1"], v1],
    ] as const) {
      const length = clientFrame(JSON.stringify(frame)).length;
      expect(createStamp(dialect, 48)(1, 0, 0)).toHaveLength(length);
    }
  });
});

describe("a frame's kind", () => {
  test.each([
    ['{"type":"connection","id":"a"}', "connection"],
    ['{"type":"heartbeat","authenticated":"true"}', clientFrame('{"type":"heartbeat"}')],
    ['{"type":"identity","success":"true"}', "welcome"],
    ['{"type":"error","code":"busy","message":""}', "error"],
    ['{"type":"presence","count":1}', "other"],
  ] as const)("shows in its type: %s", (frame, kind) => {
    expect(kindOf(1, Buffer.from(frame), 0, PLAIN)).toEqual(kind);
  });

  test.each([
    ['0{"sid":"x"}', clientFrame("40")],
    ['40{"sid":"x"}', "welcome"],
    ["2", clientFrame("3")],
    ['42["message",{}]', "message"],
  ] as const)("shows in Socket.IO in its digits: %s", (frame, kind) => {
    expect(kindOf(1, Buffer.from(frame), 0, DIALECTS["socket.io"])).toEqual(kind);
  });

  test("is a ping if the opcode says so", () => {
    expect(kindOf(9, Buffer.from([0x89, 0]), 2, PLAIN)).toEqual(clientFrame("", 0x8a));
    const ping = Buffer.from([0x89, 3, 1, 2, 3, 0x81]);
    expect(kindOf(9, ping, 2, PLAIN)).toEqual(clientFrame(ping.subarray(2, 5), 0x8a));
    expect(kindOf(8, Buffer.alloc(0), 0, PLAIN)).toBe("other");
  });
});
