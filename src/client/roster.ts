import type { PresenceEvent } from "./api.ts";

/** A presence frame: with `names` the whole, with `joined` and `left` a change, else a count. */
export interface PresenceFrame {
  readonly count: number;
  readonly names?: readonly string[];
  readonly joined?: readonly string[];
  readonly left?: readonly string[];
}

/** Who is in the channel, by what was known before and what a frame tells. */
export function roster(known: PresenceEvent | undefined, frame: PresenceFrame): PresenceEvent {
  const { count, names, joined, left } = frame;
  if (names !== undefined) return { count, names: [...names] };
  if (joined === undefined || known?.names === undefined) return { count, names: undefined };
  const present = new Set(known.names);
  for (const name of left ?? []) present.delete(name);
  for (const name of joined) present.add(name);
  return { count, names: [...present] };
}
