import type { Socket } from "bun";
import { clientFrame, scan, type Scan, sourceOf } from "../bench/load-wire.ts";
import { handshake } from "../helpers/raw.ts";

/** A cheap WebSocket client over a TCP socket: it decodes nothing that nobody asks for. */

export interface WireOptions {
  readonly v1?: boolean;
  /** The address that a trusted proxy would name. Without it, no limit by address applies. */
  readonly from?: string;
  /** Whether it reads at all. Default: yes. */
  readonly reads?: boolean;
  /** Gets the payload of each text frame. */
  readonly onText?: (text: string) => void;
  readonly onClose?: () => void;
  /** Spreads connections over the machine's own addresses, since each has only so many ports. */
  readonly index?: number;
  /** Sent in place of the handshake. */
  readonly hello?: string;
}

export const PONG = clientFrame("", 0x8a);
const HEARTBEAT = clientFrame('{"type":"heartbeat"}');
const HEARTBEAT_START = Buffer.from('{"type":"heartbeat"');

export class Wire {
  /** Whether the server has switched to WebSocket. */
  open = false;
  closed = false;
  /** The status of the answer to the handshake; 0 until it comes. */
  status = 0;
  /** Bytes received. */
  received = 0;
  readonly answered = Promise.withResolvers<void>();
  readonly #options: WireOptions;
  readonly #scan: Scan = { skip: 0, rest: undefined };
  #socket: Socket | undefined;
  #unsent: Uint8Array[] = [];
  #head = "";
  #sipping = false;

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** @returns once the handshake is written; `answered` resolves when it is answered or closed */
  static async connect(http: string, path: string, options: WireOptions = {}): Promise<Wire> {
    const wire = new Wire(options);
    const { hostname, port } = new URL(http);
    const { v1 = true, from, index = 0, reads = true } = options;
    const headers = v1 ? ["Sec-WebSocket-Protocol: shoal.v1"] : [];
    if (from !== undefined) headers.push(`X-Forwarded-For: ${from}`);
    wire.#socket = await Bun.connect({
      hostname,
      port: Number(port),
      ...sourceOf(hostname, index),
      socket: {
        data: (_, chunk) => wire.#read(chunk),
        drain: () => wire.#flush(),
        close: () => wire.#ended(),
        error: () => wire.#ended(),
        end: (socket) => void socket.terminate(),
      },
    });
    wire.write(Buffer.from(options.hello ?? handshake(path, headers)));
    if (!reads) {
      wire.#socket.pause();
      wire.answered.resolve();
    }
    return wire;
  }

  /** Reads what has come so far, or a part of it, and no more. */
  sip(): void {
    this.#sipping = true;
    this.#socket?.resume();
  }

  /** Whether the server takes what is sent. */
  get writable(): boolean {
    return this.#unsent.length === 0 && !this.closed;
  }

  write(bytes: Uint8Array): void {
    if (this.closed) return;
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.#flush();
  }

  end(): void {
    this.#socket?.terminate();
    this.#ended();
  }

  #flush(): void {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const sent = Math.max(this.#socket!.write(next), 0);
      if (sent < next.length) {
        this.#unsent[0] = next.subarray(sent);
        return;
      }
      this.#unsent.shift();
    }
  }

  #ended(): void {
    if (this.closed) return;
    this.closed = true;
    this.#unsent = [];
    this.answered.resolve();
    this.#options.onClose?.();
  }

  #read(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.#sipping) this.#socket?.pause();
    if (this.open) return scan(this.#scan, chunk, this.#onFrame);
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end === -1) return;
    this.status = Number(this.#head.slice(9, 12));
    this.open = this.status === 101;
    const rest = Buffer.from(this.#head.slice(end + 4), "latin1");
    this.#head = "";
    this.answered.resolve();
    if (this.open && rest.length > 0) scan(this.#scan, rest, this.#onFrame);
  }

  readonly #onFrame = (opcode: number, bytes: Uint8Array, start: number, length: number): void => {
    if (opcode === 9) return this.write(clientFrame(textOf(bytes, start, length), 0x8a));
    if (opcode === 8) return this.#closing();
    if (opcode !== 1) return;
    if (startsWith(bytes, start, HEARTBEAT_START)) return this.write(HEARTBEAT);
    this.#options.onText?.(textOf(bytes, start, length));
  };

  #closing(): void {
    this.write(clientFrame("", 0x88));
  }
}

/** At most the first bytes of a long frame, those that are there. */
function textOf(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start).toString(
    "utf8",
    0,
    Math.min(length, bytes.length - start),
  );
}

function startsWith(bytes: Uint8Array, start: number, prefix: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at++) if (bytes[start + at] !== prefix[at]) return false;
  return true;
}

/** A client's frame around an object. */
export function frame(value: object | string): Uint8Array {
  return clientFrame(typeof value === "string" ? value : JSON.stringify(value));
}
