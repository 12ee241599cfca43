import type { Socket } from "bun";
import { frameChecker } from "./frames.ts";

/** A TCP socket that speaks WebSocket by hand, correctly or not. */
export interface RawSocket {
  write(data: string | Uint8Array): void;
  /** Sends one text frame, masked as a client's must be. */
  frame(text: string): void;
  /** Everything that came, as Latin-1. */
  received(): string;
  /** Waits until this has come. */
  until(part: string): Promise<void>;
  /** Stops and resumes reading. */
  pause(): void;
  resume(): void;
  end(): void;
  readonly closed: Promise<void>;
}

/** The request of a WebSocket handshake (RFC 6455, section 4.1). */
export function handshake(path: string, headers: string[] = []): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...headers,
    "\r\n",
  ].join("\r\n");
}

/**
 * A frame (RFC 6455, section 5.2), masked with zeros.
 *
 * @param first its first byte: 0x80 for the last of a message, and the opcode
 */
export function frameOf(first: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [length | 0x80] : [126 | 0x80, length >> 8, length & 0xff];
  return Uint8Array.of(first, ...size, 0, 0, 0, 0, ...payload);
}

export async function rawSocket(http: string): Promise<RawSocket> {
  const { hostname, port } = new URL(http);
  const closed = Promise.withResolvers<void>();
  const watching = new Set<() => void>();
  let received = "";
  /** A frame that the server must not send, or what went wrong with the socket. */
  let fault: Error | undefined;
  const checkFrames = frameChecker();
  const socket: Socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, chunk) {
        const text = chunk.toString("latin1");
        received += text;
        try {
          checkFrames(text);
        } catch (error) {
          fault ??= error as Error;
        }
        for (const check of watching) check();
      },
      close: () => closed.resolve(),
      error: () => closed.resolve(),
      end: () => closed.resolve(),
    },
  });
  return {
    write: (data) => void socket.write(data),
    frame: (text) => void socket.write(frameOf(0x81, new TextEncoder().encode(text))),
    received() {
      if (fault !== undefined) throw fault;
      return received;
    },
    until(part) {
      const found = Promise.withResolvers<void>();
      const check = () => {
        if (fault !== undefined) found.reject(fault);
        if (!received.includes(part)) return;
        watching.delete(check);
        found.resolve();
      };
      watching.add(check);
      check();
      const end = closed.promise.then(() => {
        if (!received.includes(part)) throw new Error(`closed before ${part} came: ${received}`);
      });
      return Promise.race([found.promise, end]);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => void socket.terminate(),
    closed: closed.promise.then(() => {
      if (fault !== undefined) throw fault;
    }),
  };
}
