import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { PLAIN, V1 } from "../../src/protocol/outbound.ts";

/** Every frame that any test receives is checked against the schemas of the protocol. */

const checks = { plain: compiled(PLAIN), v1: compiled(V1) };

function compiled(schemas: Record<string, TSchema>): Map<unknown, Validator> {
  return new Map(Object.entries(schemas).map(([type, schema]) => [type, Compile(schema)]));
}

/** @throws if this is not a frame that a client of this protocol may receive */
export function checkFrame(frame: string, v1: boolean): void {
  const value = JSON.parse(frame) as { type?: unknown };
  const check = checks[v1 ? "v1" : "plain"].get(value.type);
  if (check?.Check(value) === true) return;
  const protocol = v1 ? "shoal.v1" : "the plain protocol";
  throw new Error(`This is not a frame of ${protocol}: ${frame.slice(0, 500)}`);
}

/**
 * Reads the text frames in what a server has sent, the answer to the handshake included (RFC 6455,
 * section 5.2), and checks each. Give it each chunk, as Latin-1.
 */
export function frameChecker(): (chunk: string) => void {
  let buffer = "";
  let v1: boolean | undefined;
  return (chunk) => {
    buffer += chunk;
    if (v1 === undefined) {
      const end = buffer.indexOf("\r\n\r\n");
      if (end === -1 || !buffer.startsWith("HTTP/1.1 101")) return;
      v1 = /^sec-websocket-protocol: shoal\.v1\r$/im.test(buffer.slice(0, end + 1));
      buffer = buffer.slice(end + 4);
    }
    for (let size = sizeOf(buffer); size !== undefined && buffer.length >= size.end;) {
      const payload = buffer.slice(size.start, size.end);
      if ((buffer.charCodeAt(0) & 0x0f) === 1) {
        checkFrame(Buffer.from(payload, "latin1").toString(), v1);
      }
      buffer = buffer.slice(size.end);
      size = sizeOf(buffer);
    }
  };
}

/** Where the payload of the first frame begins and ends; undefined if its head is not there yet. */
function sizeOf(buffer: string): { start: number; end: number } | undefined {
  const short = buffer.charCodeAt(1) & 0x7f;
  const more = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (buffer.length < 2 + more) return undefined;
  let length = more === 0 ? short : 0;
  for (let at = 2; at < 2 + more; at++) length = length * 256 + buffer.charCodeAt(at);
  return { start: 2 + more, end: 2 + more + length };
}
