import type { Chat, ChatEvents, ChatMessage } from "../../src/client/client.ts";
import { checkFrame } from "./frames.ts";

/** The next event of this kind that fits, from now on. */
export function once<K extends keyof ChatEvents>(
  chat: Chat,
  name: K,
  fits: (event: ChatEvents[K]) => boolean = () => true,
): Promise<ChatEvents[K]> {
  return new Promise((resolve) => {
    const off = chat.on(name, (event) => {
      if (!fits(event)) return;
      off();
      resolve(event);
    });
  });
}

/** Waits until a condition holds that some event changes. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}

/** Collects every event of a kind, from now on. */
export function collect<K extends keyof ChatEvents>(chat: Chat, name: K): ChatEvents[K][] {
  const events: ChatEvents[K][] = [];
  chat.on(name, (event) => events.push(event));
  return events;
}

export function texts(messages: readonly ChatMessage[]): string[] {
  return messages.map(({ text }) => text);
}

/** WebSockets that can be cut off like by a network, with all that passes through them. */
export interface Wire {
  readonly webSocket: typeof WebSocket;
  readonly sockets: WebSocket[];
  /** What was offered at each connection. */
  readonly offers: string[];
  readonly sent: string[];
  /** Ends the present connection, as a network does: without a close frame. */
  cut(): void;
  /** Whether new connections fail. */
  down: boolean;
  /** Whether the server is a Shoal, so that its frames must be valid. Default: yes. */
  checks: boolean;
}

export function tap(): Wire {
  const sockets: WebSocket[] = [];
  const offers: string[] = [];
  const sent: string[] = [];
  class Tapped extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      // Nobody listens on port 1.
      super(wire.down ? "ws://127.0.0.1:1" : url, protocols ?? []);
      this.addEventListener("message", ({ data }) => {
        if (wire.checks) checkFrame(String(data), this.protocol === "shoal.v1");
      });
      sockets.push(this);
      offers.push(String(protocols ?? ""));
    }
    override send(data: string): void {
      sent.push(data);
      super.send(data);
    }
  }
  const wire: Wire = {
    down: false,
    checks: true,
    webSocket: Tapped as unknown as typeof WebSocket,
    sockets,
    offers,
    sent,
    cut: () => (sockets.at(-1) as WebSocket & { terminate(): void }).terminate(),
  };
  return wire;
}
