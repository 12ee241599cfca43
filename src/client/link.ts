import type { StateEvent } from "./api.ts";
import { backoff } from "./backoff.ts";
import { parse, type ServerFrame } from "./frames.ts";
import type { SUBPROTOCOL } from "../protocol/limits.ts";

/** One connection after the other: makes them, notices when one is dead, and makes the next. */
export interface Link {
  /** Makes the first connection. */
  open(): void;
  write(frame: string): void;
  /**
   * The connection is in its channel.
   *
   * @param heartbeat seconds between two heartbeats, or undefined on the plain protocol
   */
  entered(heartbeat: number | undefined): void;
  /** A heartbeat came. */
  beat(): void;
  /** Makes a new connection now. */
  reopen(): void;
  close(): void;
}

export interface LinkOptions {
  readonly url: URL;
  readonly Socket: typeof WebSocket;
  readonly random: () => number;
  readonly onFrame: (frame: ServerFrame) => void;
  /** There is no connection any more: it is being made, or the next try is awaited. */
  readonly onState: (state: LinkState, more?: Pick<StateEvent, "retryAt" | "reason">) => void;
}

export type LinkState = "connecting" | "waiting" | "offline";

/** A value of its own, since schema.ts would bring its checks along. */
const OFFER: typeof SUBPROTOCOL = "shoal.v1";
/** Milliseconds in which a connection has to come into its channel. */
const PATIENCE = 10_000;
/** Heartbeat intervals without a word until a connection is dead, and milliseconds at least. */
const SILENCE = { intervals: 2.5, least: 1000 };
/** Milliseconds after which a connection was a good one, and the waits begin anew. */
const STEADY = 10_000;

type Timer = ReturnType<typeof setTimeout> | undefined;

/** What browsers have and others may not. */
interface Scope {
  readonly navigator?: { readonly onLine?: boolean };
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

export function createLink({ url, Socket, random, onFrame, onState }: LinkOptions): Link {
  const scope = globalThis as unknown as Scope;
  let socket: WebSocket | undefined;
  /** Whether to offer the subprotocol, and whether the server has ever spoken it. */
  let offering = true;
  let offerTaken = false;
  /** Whether the handshake of the present connection was answered. */
  let opened = false;
  let enteredAt: number | undefined;
  /** Whether the server has said that it stops, and none has been there since. */
  let stopping = false;
  let tries = 0;
  let retryTimer: Timer;
  /** Milliseconds without a word after which the connection is dead; 0 where that is not known. */
  let silence = 0;
  let silenceTimer: Timer;
  let beatAt: number | undefined;
  let interval = 0;

  function open(): void {
    clearTimeout(retryTimer);
    onState(isOffline() ? "offline" : "connecting");
    const made = offering ? new Socket(url, OFFER) : new Socket(url);
    opened = false;
    socket = made;
    silence = PATIENCE;
    listen();
    made.onopen = () => {
      opened ||= socket === made;
    };
    made.onmessage = ({ data }) => {
      if (socket !== made) return;
      listen();
      const frame = parse(data);
      if (frame !== undefined) onFrame(frame);
    };
    made.onclose = ({ code }) => {
      if (socket !== made) return;
      drop();
      stopping ||= code === 1001;
      if (!opened && !offerTaken) {
        // The server is down, or it does not know the subprotocol: see at once whether it is that.
        offering = !offering;
        if (!offering) return open();
      }
      retry();
    };
  }

  /** Forgets the connection, and whatever may still come from it. */
  function drop(): void {
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    if (enteredAt !== undefined && performance.now() - enteredAt > STEADY) tries = 0;
    enteredAt = beatAt = undefined;
    if (opened) offering = true;
    const dropped = socket;
    socket = undefined;
    dropped?.close();
  }

  function retry(): void {
    const reason = stopping ? "stopping" : "lost";
    const wait = backoff(tries++, random);
    retryTimer = setTimeout(open, wait);
    onState(isOffline() ? "offline" : "waiting", { retryAt: Date.now() + wait, reason });
  }

  function lose(): void {
    drop();
    retry();
  }

  /** Something was heard: waits for the next. */
  function listen(): void {
    clearTimeout(silenceTimer);
    if (silence > 0) silenceTimer = setTimeout(lose, silence);
  }

  function isOffline(): boolean {
    return scope.navigator?.onLine === false;
  }

  function reopen(): void {
    drop();
    open();
  }

  function onOnline(): void {
    if (enteredAt === undefined) reopen();
  }

  scope.addEventListener?.("online", onOnline);
  scope.addEventListener?.("offline", lose);

  return {
    open,

    write(frame) {
      socket?.send(frame);
    },

    entered(heartbeat) {
      offerTaken ||= heartbeat !== undefined;
      enteredAt = performance.now();
      stopping = false;
      interval = (heartbeat ?? 0) * 1000;
      silence = interval && Math.max(SILENCE.least, interval * SILENCE.intervals);
      listen();
    },

    beat() {
      // The plain protocol does not tell the interval: it shows.
      const now = performance.now();
      if (beatAt !== undefined && now - beatAt > interval) {
        interval = now - beatAt;
        silence = Math.max(SILENCE.least, interval * SILENCE.intervals);
        listen();
      }
      beatAt = now;
    },

    reopen,

    close() {
      scope.removeEventListener?.("online", onOnline);
      scope.removeEventListener?.("offline", lose);
      drop();
    },
  };
}
