import type { Channel, Connection } from "../../src/state.ts";

/** A connection without a socket, for tests of what is below the edge. */
export function newConnection(channel: Channel, v1 = false, now = 0): Connection {
  return {
    channel,
    v1,
    name: undefined,
    user: undefined,
    session: undefined,
    awaited: false,
    heardAt: now,
    framesFullAt: 0,
    heartbeatsFullAt: 0,
    refusals: undefined,
    slot: -1,
    place: -1,
  };
}
