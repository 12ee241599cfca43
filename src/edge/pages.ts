import type { HistoryQuery } from "../broker/broker.ts";
import type { Channel } from "../node/channels.ts";

/** Characters of all pages together, at most. */
const MAX_SIZE = 8 * 1024 * 1024;

interface Entry {
  readonly channel: Channel;
  /** The last message of the channel when the page was made. */
  readonly told: number;
  readonly frame: string;
}

/** Encoded pages of history, since most who ask in a channel ask for the same. */
export class Pages {
  readonly #entries = new Map<string, Entry>();
  #size = 0;

  /** The page that answers this, unless something was said since. */
  get(channel: Channel, query: HistoryQuery): string | undefined {
    const entry = this.#entries.get(keyOf(channel, query));
    return entry?.channel === channel && entry.told === channel.told ? entry.frame : undefined;
  }

  set(channel: Channel, query: HistoryQuery, frame: string): void {
    this.#size += frame.length;
    if (this.#size > MAX_SIZE) {
      this.#entries.clear();
      this.#size = frame.length;
    }
    this.#entries.set(keyOf(channel, query), { channel, told: channel.told, frame });
  }
}

function keyOf({ id }: Channel, { after, before, limit }: HistoryQuery): string {
  return `${after} ${before} ${limit} ${id}`;
}
