import type { HistoryQuery } from "../broker/broker.ts";
import type { Channel } from "../node/channels.ts";

/** Bytes of all pages together, by estimate, and what an entry takes beside its strings. */
const MAX_BYTES = 8 * 1024 * 1024;
const ENTRY_BYTES = 300;

interface Entry {
  readonly channel: Channel;
  /** The last message of the channel when the page was made. */
  readonly told: number;
  readonly frame: string;
  readonly bytes: number;
}

/** Encoded pages of history, since most who ask in a channel ask for the same. */
export class Pages {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** The page that answers this, unless a newer message was posted. */
  get(channel: Channel, query: HistoryQuery): string | undefined {
    const entry = this.#entries.get(keyOf(channel, query));
    return entry?.channel === channel && entry.told === channel.told ? entry.frame : undefined;
  }

  set(channel: Channel, query: HistoryQuery, frame: string): void {
    const key = keyOf(channel, query);
    const bytes = ENTRY_BYTES + 2 * (key.length + frame.length);
    this.#delete(key);
    if (this.#bytes + bytes > MAX_BYTES) this.clear();
    this.#entries.set(key, { channel, told: channel.told, frame, bytes });
    this.#bytes += bytes;
  }

  /** Drops all, since messages may have expired. Call it about every second. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

function keyOf({ id }: Channel, { after, before, around, limit }: HistoryQuery): string {
  return `${after} ${before} ${around} ${limit} ${id}`;
}
