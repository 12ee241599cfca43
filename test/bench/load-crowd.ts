import type { Socket } from "bun";
import {
  clientFrame,
  type Dialect,
  handshake,
  kindOf,
  type Scan,
  scan,
  sourceOf,
  textOffset,
} from "./load-wire.ts";
import type { CrowdPlan } from "./load-plan.ts";

/** The connections of a load: they connect, answer what needs an answer, and leave. */

/** The answer that a connection waits for; "ready" once it has them all. */
type Phase = "closed" | "handshake" | "greeting" | "name" | "ready";

export interface LoadConnection extends Scan {
  readonly index: number;
  readonly channel: number;
  /** Its number within its channel. */
  readonly seat: number;
  readonly dialect: Dialect;
  /** Whether it stops reading. */
  readonly stalled: boolean;
  /** Its own messages that arrived in this read. */
  own: number;
  phase: Phase;
  socket: Socket<LoadConnection> | undefined;
  /** What has arrived of the handshake's answer. */
  answer: string;
  /** What the socket has not taken yet. */
  unsent: Uint8Array | undefined;
}

/** What a crowd reports while it reads. */
export interface CrowdEvents {
  /** A message, and where its text begins in the bytes. */
  readonly onMessage: (connection: LoadConnection, bytes: Uint8Array, textAt: number) => void;
  /** An error frame: a message of this connection was rejected. */
  readonly onRefusal: (connection: LoadConnection) => void;
  /** All frames of a read were reported. */
  readonly afterRead: (connection: LoadConnection) => void;
}

/** How long those who stopped reading get to read what is left for them, in milliseconds. */
const WAKING = 2000;
/** How long all connections get to close, in milliseconds. */
const CLOSING = 5000;

const LATIN1 = new TextDecoder("latin1");

/** What a fresh connection begins with. */
const FRESH = { skip: 0, rest: undefined, answer: "", unsent: undefined } as const;

function connectionsOf(plan: CrowdPlan): LoadConnection[] {
  const { channels, dialects, stalled = 0 } = plan;
  const perChannel = Math.ceil(plan.connections / channels);
  return Array.from({ length: plan.connections }, (_, index) => {
    const seat = Math.floor(index / channels);
    return {
      index,
      channel: index % channels,
      seat,
      dialect: dialects[seat % dialects.length]!,
      stalled: seat >= perChannel - stalled,
      own: 0,
      phase: "closed",
      socket: undefined,
      ...FRESH,
    };
  });
}

export class Crowd {
  readonly plan: CrowdPlan;
  readonly connections: readonly LoadConnection[];
  /** How many of each channel are in and read. */
  readonly readers: Int32Array;
  /** How many are in. */
  here = 0;
  /** How many the server closed. */
  closed = 0;
  /** Microseconds since the crowd was made, at the beginning of this read. */
  now = 0;

  private readonly events: CrowdEvents;
  private readonly url: URL;
  private readonly start = performance.now();
  /** What {@link connect} returned for those who are not in yet. */
  private readonly pending = new Map<LoadConnection, PromiseWithResolvers<void>>();
  private leaving = false;
  /** Whose bytes are read at the moment. */
  private current!: LoadConnection;

  constructor(plan: CrowdPlan, events: CrowdEvents) {
    this.plan = plan;
    this.events = events;
    this.url = new URL(plan.url);
    this.connections = connectionsOf(plan);
    this.readers = new Int32Array(plan.channels);
  }

  /** Microseconds since the crowd was made. */
  micros(): number {
    return Math.floor((performance.now() - this.start) * 1000);
  }

  /** Resolves once the connection is in its channel and has its name. */
  connect(connection: LoadConnection): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.pending.set(connection, done);
    Object.assign(connection, FRESH, { phase: "handshake" });
    const { url } = this;
    const secure = url.protocol === "wss:";
    Bun.connect({
      ...sourceOf(url.hostname, connection.index),
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || (secure ? 443 : 80)),
      ...(secure ? { tls: { rejectUnauthorized: false } } : {}),
      data: connection,
      socket: this.handlers,
    }).then(
      (socket) => {
        connection.socket = socket;
        const request = handshake(url.host, this.pathOf(connection), connection.dialect);
        this.write(connection, Buffer.from(request));
      },
      (error: Error) => this.lost(connection, error.message),
    );
    return done.promise;
  }

  /** Sends bytes, now or when the socket takes them; nothing to a closed connection. */
  write(connection: LoadConnection, bytes: Uint8Array): void {
    if (connection.unsent !== undefined) {
      connection.unsent = Buffer.concat([connection.unsent, bytes]);
      return;
    }
    if (connection.socket === undefined) return;
    const sent = connection.socket.write(bytes);
    if (sent < bytes.length) connection.unsent = bytes.slice(Math.max(sent, 0));
  }

  /** Stops reading on the connections that are to stall. */
  stall(): void {
    for (const { stalled, socket } of this.connections) if (stalled) socket?.pause();
  }

  /** Reads on the stalled connections again, which shows whether the server closed them. */
  async wake(): Promise<void> {
    const asleep = this.connections.filter(({ stalled, phase }) => stalled && phase === "ready");
    if (asleep.length === 0) return;
    for (const { socket } of asleep) socket?.resume();
    await Bun.sleep(WAKING);
  }

  /** Ends all connections without a close frame, as a lost network does. */
  async breakOff(): Promise<void> {
    this.leaving = true;
    for (const { socket } of this.connections) socket?.terminate();
    for (let waited = 0; waited < CLOSING; waited += 10) {
      if (this.connections.every(({ phase }) => phase === "closed")) break;
      await Bun.sleep(10);
    }
    this.leaving = false;
  }

  private pathOf({ channel, dialect }: LoadConnection): string {
    const name = `bench-${channel}`;
    return dialect.pathOf?.(name) ?? `${this.url.pathname.replace(/\/$/, "")}/${name}`;
  }

  private readonly handlers = {
    data: (socket: Socket<LoadConnection>, chunk: Uint8Array) => this.read(socket.data, chunk),
    drain: ({ data: connection }: Socket<LoadConnection>) => {
      const { unsent } = connection;
      connection.unsent = undefined;
      if (unsent !== undefined) this.write(connection, unsent);
    },
    close: ({ data }: Socket<LoadConnection>) =>
      this.lost(data, "the server closed the connection"),
    error: ({ data }: Socket<LoadConnection>, { message }: Error) => this.lost(data, message),
  };

  private read(connection: LoadConnection, chunk: Uint8Array): void {
    const { phase } = connection;
    const frames = phase === "handshake" ? this.shakeHands(connection, chunk) : chunk;
    if (frames === undefined) return;
    this.now = this.micros();
    this.current = connection;
    scan(connection, frames, this.onFrame);
    this.events.afterRead(connection);
  }

  /** Reads the answer to the handshake. @returns the bytes of frames after it */
  private shakeHands(connection: LoadConnection, chunk: Uint8Array): Uint8Array | undefined {
    connection.answer += LATIN1.decode(chunk);
    const end = connection.answer.indexOf("\r\n\r\n");
    if (end === -1) return undefined;
    const { answer, dialect } = connection;
    connection.answer = "";
    if (!answer.startsWith("HTTP/1.1 101")) {
      this.lost(connection, `the handshake was answered with "${answer.split("\r\n", 1)[0]}"`);
      return undefined;
    }
    connection.phase = "greeting";
    if (dialect.silent === true) this.ready(connection);
    return chunk.subarray(chunk.length - (answer.length - end - 4));
  }

  private readonly onFrame = (opcode: number, bytes: Uint8Array, at: number): void => {
    const { current, events } = this;
    const { dialect } = current;
    const kind = kindOf(opcode, bytes, at, dialect);
    if (kind === "message") events.onMessage(current, bytes, at + textOffset(dialect));
    else if (typeof kind !== "string") this.write(current, kind);
    else if (kind === "error") events.onRefusal(current);
    else if (kind === "connection") this.takeName(current);
    else if (kind === "welcome") this.ready(current);
  };

  private takeName(connection: LoadConnection): void {
    if (this.plan.named === false) return this.ready(connection);
    connection.phase = "name";
    const user = `u${String(connection.index).padStart(5, "0")}`;
    this.write(connection, clientFrame(JSON.stringify({ type: "identity", user })));
  }

  private ready(connection: LoadConnection): void {
    if (connection.phase === "ready") return;
    connection.phase = "ready";
    this.count(connection, 1);
    this.pending.get(connection)?.resolve();
    this.pending.delete(connection);
  }

  private lost(connection: LoadConnection, why: string): void {
    if (connection.phase === "ready") {
      this.count(connection, -1);
      if (!this.leaving) this.closed++;
    }
    connection.phase = "closed";
    connection.socket = connection.unsent = undefined;
    this.pending.get(connection)?.reject(new Error(`${this.plan.url}: ${why}`));
    this.pending.delete(connection);
  }

  /** One more is in, or one fewer. */
  private count({ channel, stalled }: LoadConnection, change: 1 | -1): void {
    this.here += change;
    if (!stalled) this.readers[channel]! += change;
  }
}
