import { checkFrame } from "./frames.ts";

/** A WebSocket client that reads as a conversation: say, then what comes next. */
export interface Client {
  readonly socket: WebSocket;
  /** Sends a frame: text or bytes as they are, anything else as JSON. */
  say(frame: unknown): void;
  /** The next frame, as it came. */
  next(): Promise<string>;
  /** The next frame of this type, decoded; those before it are skipped. */
  nextOf(type: string): Promise<Record<string, unknown>>;
  /** Frames that came and were not read yet. */
  readonly rest: string[];
  /** How it was closed. */
  readonly closed: Promise<{ code: number; reason: string }>;
  close(code?: number): Promise<void>;
}

export interface ClientOptions {
  protocols?: string[];
  /** Headers of the handshake beside the usual ones. */
  headers?: Record<string, string>;
  /** Whether to answer heartbeats, which are then not among the frames. Default: no. */
  alive?: boolean;
}

/** Connects and waits for the handshake; the connection frame is the first of `next`. */
export async function connect(url: string, options: ClientOptions = {}): Promise<Client> {
  const { protocols = [], headers = {} } = options;
  const socket = new WebSocket(url, { protocols, headers });
  const rest: string[] = [];
  const waiting: ((frame: string) => void)[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  socket.onmessage = ({ data }) => {
    const frame = String(data);
    checkFrame(frame, socket.protocol === "shoal.v1");
    if (options.alive === true && frame.startsWith('{"type":"heartbeat"')) {
      return socket.send('{"type":"heartbeat"}');
    }
    const taker = waiting.shift();
    if (taker === undefined) rest.push(frame);
    else taker(frame);
  };
  socket.onclose = ({ code, reason }) => closed.resolve({ code, reason });
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`no connection to ${url}`));
  });

  const client: Client = {
    socket,
    rest,
    closed: closed.promise,
    say(frame) {
      const raw = typeof frame === "string" || frame instanceof Uint8Array;
      socket.send(raw ? (frame as string) : JSON.stringify(frame));
    },
    next() {
      const frame = rest.shift();
      if (frame !== undefined) return Promise.resolve(frame);
      return Promise.race([
        new Promise<string>((resolve) => waiting.push(resolve)),
        closed.promise.then(({ code }) => {
          throw new Error(`closed with ${code} while a frame was awaited`);
        }),
      ]);
    },
    async nextOf(type) {
      for (;;) {
        const frame = JSON.parse(await client.next()) as Record<string, unknown>;
        if (frame.type === type) return frame;
      }
    },
    async close(code = 1000) {
      socket.close(code);
      await closed.promise;
    },
  };
  return client;
}

/** Connects and reads the connection frame. */
export async function enter(url: string, options: ClientOptions = {}): Promise<Client> {
  const client = await connect(url, options);
  await client.nextOf("connection");
  return client;
}

/** Connects and takes a name. */
export async function enterAs(
  url: string,
  user: string,
  options: ClientOptions = {},
): Promise<Client> {
  const client = await enter(url, options);
  client.say({ type: "identity", user });
  const answer = await client.nextOf("identity");
  if (answer.success !== "true") throw new Error(`no identity for ${user}`);
  return client;
}

export const V1: ClientOptions = { protocols: ["shoal.v1"], alive: true };
