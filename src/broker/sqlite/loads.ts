import type { Message } from "../../protocol/encode.ts";
import type { SqliteData } from "./data.ts";
import type { Reader } from "./reader.ts";
import { TAIL, type Tails } from "./tails.ts";

/** A channel whose newest messages are on their way from the file. */
interface Load {
  /** Whether a message was written meanwhile, so that what was read is not the newest. */
  stale: boolean;
  /** Whether the file could not be read. Then it is tried again. */
  failed: boolean;
  readonly then: (() => void)[];
}

/** Brings the newest messages of channels into memory when they are needed. */
export class Loads {
  readonly #data: SqliteData;
  readonly #tails: Tails;
  readonly #reader: Reader;
  readonly #loads = new Map<string, Load>();

  constructor(data: SqliteData, tails: Tails, reader: Reader) {
    this.#data = data;
    this.#tails = tails;
    this.#reader = reader;
  }

  /** Runs this once memory has the newest messages of a channel: now, if it has them. */
  loaded(channel: string, run: () => void): void {
    if (this.#tails.has(channel)) return run();
    const load = this.#loads.get(channel);
    if (load !== undefined) return void load.then.push(run);
    const started = { stale: false, failed: false, then: [run] };
    this.#loads.set(channel, started);
    this.#load(channel, started);
  }

  /** A message of a channel was written. */
  written(channel: string): void {
    const load = this.#loads.get(channel);
    if (load !== undefined) load.stale = true;
  }

  /** Tries again what could not be read. Call it about every second. */
  retry(): void {
    for (const [channel, load] of this.#loads) if (load.failed) this.#load(channel, load);
  }

  /** The first message of a channel that may be on the disk, but that nobody was told of. */
  untold(channel: string): Message | undefined {
    return this.#data.writing?.posts.find((post) => post.channel === channel)?.message;
  }

  #load(channel: string, load: Load): void {
    load.stale = load.failed = false;
    const floor = this.#data.floors.get(channel) ?? 0;
    this.#reader.ask({ ask: "tail", channel, floor, limit: TAIL }, (found) => {
      load.failed = found === undefined;
      if (found === undefined) return;
      if (load.stale) return this.#load(channel, load);
      this.#loads.delete(channel);
      const next = this.untold(channel);
      const last = found.last === undefined ? undefined : (next?.prev ?? found.last);
      const messages = found.messages.filter(({ id }) => id <= (last ?? 0));
      this.#tails.restore(channel, last, { ...found, messages });
      for (const run of load.then) run();
      this.#tails.makeRoom();
    });
  }
}
