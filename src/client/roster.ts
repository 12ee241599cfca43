import type { PresenceEvent } from "./api.ts";
import type { PresenceFrame } from "../protocol/outbound.ts";

/** Of a presence frame: the full roster in `names`, a change in `joined` and `left`, or a count. */
type Presence = Omit<PresenceFrame, "type">;

/** Who is in the channel, after a frame. @param known who was there before */
export function roster(known: PresenceEvent | undefined, frame: Presence): PresenceEvent {
  const { count, names, joined, left } = frame;
  if (names !== undefined) return { count, names: [...names] };
  if (joined === undefined || known?.names === undefined) return { count, names: undefined };
  const present = new Set(known.names);
  for (const name of left ?? []) present.delete(name);
  for (const name of joined) present.add(name);
  return { count, names: [...present] };
}
