import { type Client, V1 } from "./client.ts";
import { handshake, type RawSocket, rawSocket } from "./raw.ts";
import type { TestServer } from "./server.ts";

/** What tests of `shoal.v1` ask for. */

export interface Item {
  readonly text: string;
  readonly id: number;
  readonly prev: number;
}

/** Asks for a name. @returns the answer */
export function identify(
  client: Client,
  user: string,
  session?: unknown,
): Promise<Record<string, unknown>> {
  client.say({ type: "identity", user, session });
  return client.nextOf("identity");
}

/** Asks for a page of history. @returns the answer without its type */
export async function historyOf(
  client: Client,
  query: Record<string, unknown> = {},
): Promise<{ messages: Item[]; gap: unknown; more: unknown }> {
  client.say({ type: "history", ...query });
  const { messages, gap, more } = await client.nextOf("history");
  return { messages: messages as Item[], gap, more };
}

/**
 * Takes the name "ann" in the channel "a" on a connection that a test can break off, and holds it
 * for `ms` milliseconds; the connection answers its heartbeats meanwhile.
 */
export async function holdAnn(
  server: TestServer,
  ms: number,
  protocols = V1.protocols ?? [],
): Promise<RawSocket> {
  const socket = await rawSocket(server.http);
  const offer = protocols.map((protocol) => `Sec-WebSocket-Protocol: ${protocol}`);
  socket.write(handshake("/a", offer));
  socket.frame(JSON.stringify({ type: "identity", user: "ann" }));
  await socket.until('"success":"true"');
  const answering = setInterval(() => socket.frame('{"type":"heartbeat"}'), 20);
  await Bun.sleep(ms);
  clearInterval(answering);
  return socket;
}

/** The session that a raw connection was given. */
export function sessionOf(socket: RawSocket): string {
  return /"session":"([^"]+)"/.exec(socket.received())![1]!;
}
