import type { StateEvent } from "./api.ts";
import { backoff } from "./backoff.ts";
import { SUBPROTOCOL } from "../protocol/limits.ts";
import type { ServerFrame } from "../protocol/outbound.ts";

export interface LinkOptions {
  readonly url: URL;
  readonly webSocket: typeof WebSocket;
  readonly random: () => number;
  readonly onFrame: (frame: ServerFrame) => void;
  /** There is no connection: one is being made, or the next attempt is due later. */
  readonly onState: (
    state: LinkState,
    more?: Pick<StateEvent, "retryAt" | "reason" | "detail">,
  ) => void;
}

export type LinkState = "connecting" | "waiting" | "offline";

/** Milliseconds in which a connection must get into its channel. */
const PATIENCE = 10_000;
/** Heartbeat intervals of silence after which a connection is dead, and milliseconds at least. */
const SILENCE = { intervals: 2.5, least: 1000 };
/** The longest that a server can ask to wait, in seconds. */
const MOST = 3600;
/** Milliseconds after which a connection counts as good, and the back-off starts over. */
const STEADY = 10_000;

type Timer = ReturnType<typeof setTimeout> | undefined;

/** What browsers have and other runtimes may not. */
interface Scope {
  readonly navigator?: { readonly onLine?: boolean };
  addEventListener?(type: string, listener: () => void, options: { signal: AbortSignal }): void;
}
const scope = globalThis as unknown as Scope;

function isOffline(): boolean {
  return scope.navigator?.onLine === false;
}

/** One connection after the other: makes one, notices when it is dead, and makes the next. */
export class Link {
  readonly #options: LinkOptions;
  readonly #end = new AbortController();
  #socket: WebSocket | undefined;
  /** Whether to offer the subprotocol, and whether the server has ever accepted it. */
  #offering = true;
  #accepted = false;
  /** Whether this connection's handshake was answered. */
  #opened = false;
  #enteredAt: number | undefined;
  /** Whether the server announced that it stops, and none has been there since. */
  #stopping = false;
  #tries = 0;
  #retryTimer: Timer;
  /** Milliseconds of silence after which the connection is dead; 0 if not known. */
  #silence = 0;
  #silenceTimer: Timer;
  #beatAt: number | undefined;
  /** Milliseconds between two heartbeats; 0 if not known. */
  #interval = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    scope.addEventListener?.("online", this.#onOnline, this.#end);
    scope.addEventListener?.("offline", this.#lose, this.#end);
  }

  /** Makes a connection. */
  readonly open = (): void => {
    const { url, webSocket: Socket, onFrame, onState } = this.#options;
    clearTimeout(this.#retryTimer);
    onState(isOffline() ? "offline" : "connecting");
    const socket = new Socket(url, this.#offering ? SUBPROTOCOL : []);
    this.#opened = false;
    this.#socket = socket;
    this.#silence = PATIENCE;
    this.#listen();
    socket.onopen = () => {
      this.#opened ||= this.#socket === socket;
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      this.#listen();
      const frame = parse(data);
      if (frame !== undefined) onFrame(frame);
    };
    socket.onclose = ({ code }) => {
      if (this.#socket === socket) this.#closed(code);
    };
  };

  write(frame: string): void {
    this.#socket?.send(frame);
  }

  /**
   * The connection is in its channel.
   *
   * @param heartbeat seconds between two heartbeats, or undefined on the plain protocol
   */
  enter(heartbeat: number | undefined): void {
    this.#accepted ||= heartbeat !== undefined;
    this.#enteredAt = performance.now();
    this.#stopping = false;
    this.#expectBeats((heartbeat ?? 0) * 1000);
  }

  /** A heartbeat arrived. */
  beat(): void {
    // The plain protocol does not announce the interval: it shows.
    const now = performance.now();
    const since = now - (this.#beatAt ?? now);
    if (since > this.#interval) this.#expectBeats(since);
    this.#beatAt = now;
  }

  /** Makes a new connection now. */
  reopen(): void {
    this.#drop();
    this.open();
  }

  close(): void {
    this.#end.abort();
    this.#drop();
  }

  readonly #onOnline = (): void => {
    if (this.#enteredAt === undefined) this.reopen();
  };

  readonly #lose = (): void => {
    this.#drop();
    this.#retry();
  };

  #closed(code: number): void {
    this.#drop();
    this.#stopping ||= code === 1001;
    if (!this.#opened && !this.#accepted) {
      // The server is down, or it does not know the subprotocol: find out at once which.
      this.#offering = !this.#offering;
      if (!this.#offering) return this.open();
    }
    this.#retry();
    // A proxy or the network may fail as well, and then nobody has a reason to give.
    if (!this.#opened) this.#askWhy().catch(() => {});
  }

  /** A WebSocket does not tell why its handshake was refused, but the same address does. */
  async #askWhy(): Promise<void> {
    const { signal } = this.#end;
    const timer = this.#retryTimer;
    const url = String(this.#options.url).replace("ws", "http");
    const headers = { accept: "text/plain" };
    // A browser sends no Origin to the page's own, so its Referer has to tell.
    const answer = await fetch(url, { headers, referrerPolicy: "same-origin", signal });
    const isSentence = answer.headers.get("content-type")?.startsWith("text/plain");
    // 426: now a connection would be possible.
    if (!isSentence || answer.status === 426) return;
    const detail = (await answer.text()).trim();
    if (this.#socket !== undefined || this.#retryTimer !== timer || signal.aborted) return;
    // What stands between may answer with a date instead.
    const seconds = Number(answer.headers.get("retry-after")) || 0;
    const least = Math.min(Math.max(seconds, 0), MOST) * 1000;
    this.#wait(least + backoff(this.#tries, this.#options.random), detail);
  }

  /** Forgets the connection, and whatever still arrives from it. */
  #drop(): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    if (performance.now() - (this.#enteredAt ?? Infinity) > STEADY) this.#tries = 0;
    this.#enteredAt = this.#beatAt = undefined;
    if (this.#opened) this.#offering = true;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #retry(): void {
    this.#wait(backoff(this.#tries++, this.#options.random));
  }

  /** @param detail why the server refuses a connection, if it said so */
  #wait(milliseconds: number, detail?: string): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.open, milliseconds);
    this.#options.onState(isOffline() ? "offline" : "waiting", {
      retryAt: Date.now() + milliseconds,
      reason: this.#stopping ? "stopping" : "lost",
      ...(detail && { detail }),
    });
  }

  #expectBeats(milliseconds: number): void {
    this.#interval = milliseconds;
    this.#silence = milliseconds && Math.max(SILENCE.least, milliseconds * SILENCE.intervals);
    this.#listen();
  }

  /** Something arrived, or the wait has changed: waits for the next frame. */
  #listen(): void {
    clearTimeout(this.#silenceTimer);
    if (this.#silence > 0) this.#silenceTimer = setTimeout(this.#lose, this.#silence);
  }
}

/** What a server has sent; undefined if it is not JSON. Only an object has a type that is known. */
function parse(data: unknown): ServerFrame | undefined {
  try {
    return (JSON.parse(String(data)) as ServerFrame | null) ?? undefined;
  } catch {
    return undefined;
  }
}
