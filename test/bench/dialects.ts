import { clientFrame, type Dialect, type Kind, PLAIN, V1 } from "./load-wire.ts";

/** What the servers speak that Shoal is measured with. */

const PLAIN_TAIL = '","timestamp":1652997756,"user":"u00000"';
const V1_TAIL = `${PLAIN_TAIL},"id":1652997756000000,"prev":1652997756000000`;

/** A server that sends on what it gets, unread: it gets a frame as long as Shoal's would be. */
const ECHO: Dialect = { ...PLAIN, name: "echo", silent: true, tail: PLAIN_TAIL };

/** Socket.IO 4 (Engine.IO 4) over a WebSocket, messages in events named "message". */
const SOCKET_IO: Dialect = {
  name: "socket.io",
  pathOf: (channel) => `/socket.io/?EIO=4&transport=websocket&channel=${channel}`,
  before: '42["message",',
  after: "}]",
  tail: PLAIN_TAIL,
  kindOf: socketIoKindOf,
};

const CONNECT = clientFrame("40");
const ENGINE_PONG = clientFrame("3");

/** Engine.IO's packet type is a digit, and Socket.IO's another one behind that. */
function socketIoKindOf(bytes: Uint8Array, start: number): Kind {
  if (bytes[start] === 0x30) return CONNECT;
  if (bytes[start] === 0x32) return ENGINE_PONG;
  return bytes[start + 1] === 0x30 ? "welcome" : "message";
}

export const DIALECTS = {
  plain: PLAIN,
  v1: V1,
  echo: ECHO,
  "echo v1": { ...ECHO, name: "echo v1", tail: V1_TAIL },
  "socket.io": SOCKET_IO,
  "socket.io v1": { ...SOCKET_IO, name: "socket.io v1", tail: V1_TAIL },
} as const satisfies Record<string, Dialect>;
