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

/** The connections of a load: how they come in, answer what must be answered, and go. */

export interface CrowdPlan {
  /** Like `ws://127.0.0.1:6060/path`; the channels lie below its path. */
  readonly url: string;
  /** How many connections, spread evenly over so many channels. */
  readonly connections: number;
  readonly channels: number;
  /** What they speak: the connections of a channel take turns through these. */
  readonly dialects: readonly Dialect[];
  /** Connections that stop reading once all talk: the last ones of each channel. */
  readonly stalled?: number;
  /** Whether each takes a name, where the server has names; usual: true. */
  readonly named?: boolean;
  /** Connections under way at the same time while all come in; usual: 256. */
  readonly abreast?: number;
}

/** Where a connection stands: which answer it waits for, or that it has them all. */
type Phase = "closed" | "handshake" | "greeting" | "name" | "ready";

export interface LoadConnection extends Scan {
  readonly index: number;
  readonly channel: number;
  /** Its number within its channel. */
  readonly seat: number;
  readonly dialect: Dialect;
  /** Whether it stops reading. */
  readonly stalled: boolean;
  /** Messages of its own that came in this read. */
  own: number;
  phase: Phase;
  socket: Socket<LoadConnection> | undefined;
  /** What came of the handshake's answer. */
  answer: string;
  /** What the socket did not take yet. */
  unsent: Uint8Array | undefined;
}

/** What a crowd tells of what it reads. */
export interface CrowdEvents {
  /** A message, and where its text begins in the bytes. */
  readonly onMessage: (connection: LoadConnection, bytes: Uint8Array, textAt: number) => void;
  /** A frame of type error: a message of this connection was refused. */
  readonly onRefusal: (connection: LoadConnection) => void;
  /** All of a read was told. */
  readonly afterRead: (connection: LoadConnection) => void;
}

export interface Crowd {
  readonly plan: CrowdPlan;
  readonly connections: readonly LoadConnection[];
  /** How many are in, and how many of each channel are in and read. */
  readonly here: number;
  readonly readers: Int32Array;
  /** Microseconds since the crowd was made, now, and at the beginning of this read. */
  micros(): number;
  now(): number;
  connect(connection: LoadConnection): Promise<void>;
  /** Sends bytes, now or later; none to a connection that is closed. */
  write(connection: LoadConnection, bytes: Uint8Array): void;
  /** Those who are to stop reading do so. */
  stall(): void;
  /** They read again, and see by that whether the server has cut them. */
  wake(): Promise<void>;
  /** Ends all connections without a word, as a lost network does. */
  breakOff(): Promise<void>;
  /** Connections that the server closed. */
  readonly closed: number;
}

/** How long those who stopped reading take to read what is left for them, in milliseconds. */
const WAKING = 2000;

const LATIN1 = new TextDecoder("latin1");

export function createCrowd(plan: CrowdPlan, events: CrowdEvents): Crowd {
  const { onMessage, onRefusal, afterRead } = events;
  const url = new URL(plan.url);
  const secure = url.protocol === "wss:";
  const base = url.pathname.replace(/\/$/, "");
  const perChannel = Math.ceil(plan.connections / plan.channels);
  const connections = Array.from({ length: plan.connections }, (_, index) => create(index));
  const waiting = new Map<LoadConnection, PromiseWithResolvers<void>>();
  const start = performance.now();
  const readers = new Int32Array(plan.channels);
  let here = 0;
  let now = 0;
  let closed = 0;
  let leaving = false;

  function create(index: number): LoadConnection {
    const seat = Math.floor(index / plan.channels);
    return {
      index,
      channel: index % plan.channels,
      seat,
      dialect: plan.dialects[seat % plan.dialects.length]!,
      stalled: seat >= perChannel - (plan.stalled ?? 0),
      own: 0,
      phase: "closed",
      socket: undefined,
      answer: "",
      unsent: undefined,
      skip: 0,
      rest: undefined,
    };
  }

  function micros(): number {
    return Math.floor((performance.now() - start) * 1000);
  }

  function write(connection: LoadConnection, bytes: Uint8Array): void {
    if (connection.unsent !== undefined) {
      connection.unsent = Buffer.concat([connection.unsent, bytes]);
      return;
    }
    if (connection.socket === undefined) return;
    const sent = connection.socket.write(bytes);
    if (sent < bytes.length) connection.unsent = bytes.slice(Math.max(sent, 0));
  }

  /** One more is in, or one less. */
  function count({ channel, stalled }: LoadConnection, change: 1 | -1): void {
    here += change;
    if (!stalled) readers[channel]! += change;
  }

  function ready(connection: LoadConnection): void {
    if (connection.phase === "ready") return;
    connection.phase = "ready";
    count(connection, 1);
    waiting.get(connection)?.resolve();
    waiting.delete(connection);
  }

  function lost(connection: LoadConnection, why: string): void {
    if (connection.phase === "ready") {
      count(connection, -1);
      if (!leaving) closed++;
    }
    connection.phase = "closed";
    connection.socket = connection.unsent = undefined;
    waiting.get(connection)?.reject(new Error(`${plan.url}: ${why}`));
    waiting.delete(connection);
  }

  /** Reads the answer to the handshake; what follows it are frames. */
  function shakeHands(connection: LoadConnection, chunk: Uint8Array): Uint8Array | undefined {
    connection.answer += LATIN1.decode(chunk);
    const end = connection.answer.indexOf("\r\n\r\n");
    if (end === -1) return undefined;
    const { answer, dialect } = connection;
    connection.answer = "";
    if (!answer.startsWith("HTTP/1.1 101")) {
      lost(connection, `the handshake was answered with "${answer.split("\r\n", 1)[0]}"`);
      return undefined;
    }
    connection.phase = "greeting";
    if (dialect.silent === true) ready(connection);
    return chunk.subarray(chunk.length - (answer.length - end - 4));
  }

  function takeName(connection: LoadConnection): void {
    if (plan.named === false) return ready(connection);
    connection.phase = "name";
    const user = `u${String(connection.index).padStart(5, "0")}`;
    write(connection, clientFrame(JSON.stringify({ type: "identity", user })));
  }

  let current: LoadConnection;
  function onFrame(opcode: number, bytes: Uint8Array, at: number): void {
    const { dialect } = current;
    const kind = kindOf(opcode, bytes, at, dialect);
    if (kind === "message") return onMessage(current, bytes, at + textOffset(dialect));
    if (typeof kind !== "string") write(current, kind);
    else if (kind === "error") onRefusal(current);
    else if (kind === "connection") takeName(current);
    else if (kind === "welcome") ready(current);
  }

  const handlers = {
    data(socket: Socket<LoadConnection>, chunk: Uint8Array) {
      const connection = socket.data;
      let bytes: Uint8Array | undefined = chunk;
      if (connection.phase === "handshake") bytes = shakeHands(connection, chunk);
      if (bytes === undefined) return;
      now = micros();
      current = connection;
      scan(connection, bytes, onFrame);
      afterRead(connection);
    },
    drain({ data: connection }: Socket<LoadConnection>) {
      const { unsent } = connection;
      connection.unsent = undefined;
      if (unsent !== undefined) write(connection, unsent);
    },
    close: ({ data }: Socket<LoadConnection>) => lost(data, "the server closed the connection"),
    error: ({ data }: Socket<LoadConnection>, error: Error) => lost(data, error.message),
  };

  function connect(connection: LoadConnection): Promise<void> {
    const done = Promise.withResolvers<void>();
    waiting.set(connection, done);
    const fresh = { phase: "handshake", skip: 0, rest: undefined, answer: "", unsent: undefined };
    Object.assign(connection, fresh);
    const channel = `bench-${connection.channel}`;
    const path = connection.dialect.pathOf?.(channel) ?? `${base}/${channel}`;
    Bun.connect({
      ...sourceOf(url.hostname, connection.index),
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || (secure ? 443 : 80)),
      ...(secure ? { tls: { rejectUnauthorized: false } } : {}),
      data: connection,
      socket: handlers,
    }).then(
      (socket) => {
        connection.socket = socket;
        write(connection, Buffer.from(handshake(url.host, path, connection.dialect)));
      },
      (error: Error) => lost(connection, error.message),
    );
    return done.promise;
  }

  return {
    plan,
    connections,
    readers,
    get here() {
      return here;
    },
    micros,
    now: () => now,
    connect,
    write,
    stall() {
      for (const { stalled, socket } of connections) if (stalled) socket?.pause();
    },
    async wake() {
      const asleep = connections.filter(({ stalled, phase }) => stalled && phase === "ready");
      if (asleep.length === 0) return;
      for (const { socket } of asleep) socket?.resume();
      await Bun.sleep(WAKING);
    },
    async breakOff() {
      leaving = true;
      for (const { socket } of connections) socket?.terminate();
      for (let waited = 0; waited < 5000; waited += 10) {
        if (connections.every(({ phase }) => phase === "closed")) break;
        await Bun.sleep(10);
      }
      leaving = false;
    },
    get closed() {
      return closed;
    },
  };
}
