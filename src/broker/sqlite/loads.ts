import type { Message } from "../../protocol/encode.ts";
import type { Load, Post, SqliteData } from "./data.ts";
import type { Answered, Inquiry } from "./read.ts";
import type { Reader } from "./reader.ts";
import { type Held, TAIL, type Tails } from "./tails.ts";

/** Brings the newest messages of channels into memory when they are needed, and asks the file for others. */
export class Loads {
  readonly #data: SqliteData;
  readonly #tails: Tails;
  readonly #reader: Reader;
  readonly #loads: Map<string, Load>;

  constructor(data: SqliteData, tails: Tails, reader: Reader) {
    this.#data = data;
    this.#tails = tails;
    this.#reader = reader;
    this.#loads = data.loads;
  }

  /**
   * Runs this once memory has the newest messages of a channel: now, if it has them.
   * @param fail runs instead if the file cannot be read; without it, that is tried again
   */
  loaded(channel: string, run: () => void, fail?: () => void): void {
    if (this.#tails.has(channel)) return run();
    const load = this.#loads.get(channel);
    if (load !== undefined) return void load.then.push({ run, fail });
    const started = { stale: false, failed: false, then: [{ run, fail }] };
    this.#loads.set(channel, started);
    this.#load(channel, started);
  }

  /** Asks the file, and once more if a text was removed or messages have left it meanwhile. */
  ask(
    channel: string,
    inquiryOf: (held: Held) => Inquiry,
    then: (found: Answered | undefined, held: Held) => void,
  ): void {
    const held = this.#tails.hold(channel);
    this.#reader.ask(channel, inquiryOf(held), (found) => {
      if (this.#tails.release(held) || found === undefined) return then(found, held);
      const fail = () => then(undefined, held);
      this.loaded(channel, () => this.ask(channel, inquiryOf, then), fail);
    });
  }

  /** A message of a channel was written, or has left the file. */
  changed(channel: string): void {
    const load = this.#loads.get(channel);
    if (load !== undefined) load.stale = true;
  }

  /** Tries again what could not be read. Call it about every second. */
  retry(): void {
    for (const [channel, load] of this.#loads) if (load.failed) this.#load(channel, load);
  }

  /** The first message of a channel that may be on the disk, but that nobody was told of. */
  untold(channel: string): Message | undefined {
    const { writing, gathered } = this.#data;
    const isOfIt = (post: Post) => post.channel === channel;
    return (writing?.posts.find(isOfIt) ?? gathered.posts.find(isOfIt))?.message;
  }

  #load(channel: string, load: Load): void {
    load.stale = load.failed = false;
    this.#reader.ask(channel, { ask: "tail", limit: TAIL }, (found) => {
      if (found === undefined) return this.#fail(channel, load);
      if (load.stale) return this.#load(channel, load);
      this.#loads.delete(channel);
      const last = this.untold(channel)?.prev ?? found.last;
      const messages = found.messages.filter(({ id }) => id <= (last ?? 0));
      this.#tails.restore(channel, last, { ...found, messages });
      for (const { run } of load.then) run();
      this.#tails.makeRoom();
    });
  }

  #fail(channel: string, load: Load): void {
    const failed = load.then.filter(({ fail }) => fail !== undefined);
    const others = load.then.filter(({ fail }) => fail === undefined);
    load.then.splice(0, Infinity, ...others);
    load.failed = true;
    if (others.length === 0) this.#loads.delete(channel);
    for (const { fail } of failed) fail?.();
  }
}
