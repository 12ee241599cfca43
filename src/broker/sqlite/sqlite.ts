import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import {
  type Answer,
  type Broker,
  type BrokerStatus,
  type Draft,
  type Found,
  type HistoryQuery,
  type JoinAnswer,
  messageAfter,
  type PublishAnswer,
  type PublishFault,
  type Removal,
  type RemovalFault,
  type SearchQuery,
} from "../broker.ts";
import { LocalBroker } from "../memory/local.ts";
import { hashOf, type Once } from "../memory/refs.ts";
import { pageAround, removalFault } from "../shared.ts";
import {
  noteName,
  openFile,
  type Post,
  rowOf,
  type SqliteData,
  type SqliteOptions,
} from "./data.ts";
import { NetworkKeys } from "./network-keys.ts";
import type { Drop, Expired } from "./orders.ts";
import { Reader } from "./reader.ts";
import { Tails } from "./tails.ts";
import { Writer } from "./writer.ts";

/** Bytes under way to the disk; with more, messages are refused. */
const BYTES_MOST = 8 * 1024 * 1024;
/** Messages of a channel that memory holds at most: most questions are about the newest. */
export const TAIL = 200;

/**
 * Opens a database file, or goes on with the one that the load before has opened.
 *
 * @throws with a sentence if it cannot be used; see {@link openFile}
 */
export async function openSqlite(
  data: { sqlite?: SqliteData },
  path: string,
  options: SqliteOptions,
): Promise<SqliteBroker> {
  data.sqlite ??= await openFile(path, options);
  return new SqliteBroker(data.sqlite, options);
}

/** A channel whose newest messages are on their way from the file. */
interface Load {
  /** Whether a message was written meanwhile, so that what was read is not the newest. */
  stale: boolean;
  /** Whether the file could not be read. Then it is tried again. */
  failed: boolean;
  readonly then: (() => void)[];
}

/**
 * The broker of one process whose history is an SQLite file. Memory holds the newest messages of the
 * channels that are in use, and a message gets there, and to everyone, once it is on the disk.
 */
export class SqliteBroker extends LocalBroker implements Broker {
  readonly #data: SqliteData;
  readonly #tails: Tails;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #networks: NetworkKeys;
  readonly #loads = new Map<string, Load>();
  /** How many texts were removed: what was read before the last of them may hold it. */
  #removed = 0;

  constructor(data: SqliteData, options: SqliteOptions) {
    super(data, options, (channel, key, hold) => {
      noteName(data.gathered, { channel, key, row: hold && rowOf(hold, options) });
      this.#writer.noted();
    });
    const { limit, memory } = options.rules.history;
    this.#data = data;
    this.#tails = new Tails(data.tails, { messages: Math.min(limit, TAIL), bytes: memory });
    this.#reader = new Reader(data.path, options.log);
    this.#networks = new NetworkKeys(data.secret);
    this.#writer = new Writer(data, options, {
      written: (post) => this.#onWritten(post),
      refused: ({ ref }) => void (ref && this.refs.undo(ref)),
      dropped: (drop) => this.#onDropped(drop),
      isUsed: (channel) => this.names.isOccupied(channel) || data.left.has(channel),
    });
  }

  join(channel: string, answer: JoinAnswer): void {
    this.names.join(channel);
    this.#data.left.delete(channel);
    this.#loaded(channel, () => {
      this.#tails.occupy(channel, this.names.isOccupied(channel));
      answer(this.#tails.last(channel), this.#tails.isSilent(channel));
    });
  }

  leave(channel: string): void {
    if (!this.names.leave(channel)) return;
    if (this.#data.retention.ttl > 0) this.#data.left.set(channel, this.options.clock());
    this.#tails.occupy(channel, false);
  }

  publish(channel: string, draft: Draft, answer: PublishAnswer): void {
    const { session, ref, text } = draft;
    const once =
      session === undefined || ref === undefined
        ? undefined
        : { channel, session, ref, hash: hashOf(text) };
    this.#postOnce(channel, once, draft, answer);
  }

  history(channel: string, query: HistoryQuery, answer: Answer<Page | undefined>): void {
    if (query.around !== undefined) return pageAround(this, channel, query, answer);
    this.#loaded(channel, () => {
      const page = this.#tails.page(channel, query);
      if (page !== undefined) return answer(page);
      const below = this.#tails.below(channel);
      const { after, before = Infinity } = query;
      const range = { after, before: Math.min(before, below), limit: query.limit };
      const removed = this.#removed;
      this.#reader.ask({ ask: "range", channel, ...range }, (found) => {
        if (found === undefined) return answer(undefined);
        const joined =
          removed === this.#removed ? this.#tails.joined(channel, query, below, found) : undefined;
        // Memory has moved on, or a text was removed: what was read does not fit any more.
        if (joined === undefined) this.history(channel, query, answer);
        else answer(joined);
      });
    });
  }

  search(channel: string, query: SearchQuery, answer: Answer<Found | undefined>): void {
    const removed = this.#removed;
    this.#loaded(channel, () =>
      this.#reader.ask({ ask: "search", channel, ...query }, (found) => {
        if (found !== undefined && removed !== this.#removed)
          return this.search(channel, query, answer);
        const next = this.#untold(channel)?.id ?? Infinity;
        answer(found && { ...found, messages: found.messages.filter(({ id }) => id < next) });
      }),
    );
  }

  remove(channel: string, removal: Removal, answer: Answer<number | RemovalFault>): void {
    const { id, ref, session } = removal;
    const once = ref === undefined ? undefined : { channel, session, ref, hash: hashOf(`${id}`) };
    const known = once && this.refs.find(once);
    const post = (message: Message | undefined) => {
      const fault = known === undefined ? removalFault(message, removal) : undefined;
      if (fault !== undefined) return answer(fault);
      const draft = { ...removal, text: REMOVED, user: message?.user ?? REMOVED, deletes: id };
      this.#postOnce(channel, once, draft, (answered) => answer(answered));
    };
    this.#loaded(channel, () => {
      const message = this.#tails.find(channel, id);
      if (message !== undefined || known !== undefined) return post(message);
      this.#reader.ask({ ask: "message", channel, id }, (found) => {
        if (found === undefined) answer("unavailable");
        else post(found.messages[0]);
      });
    });
  }

  override renew(): void {
    super.renew();
    this.#writer.renew(this.#expired());
    for (const [channel, load] of this.#loads) if (load.failed) this.#load(channel, load);
  }

  status(): BrokerStatus {
    return this.#data.status;
  }

  dispose(): void {
    this.#writer.dispose();
    this.#reader.dispose();
  }

  close(): Promise<void> {
    this.#reader.close();
    return this.#writer.close();
  }

  #postOnce(
    channel: string,
    once: Once | undefined,
    draft: Draft,
    answer: (answer: number | PublishFault, draft: Draft) => void,
  ): void {
    if (this.#writer.isBroken || this.#data.bytes > BYTES_MOST) return answer("unavailable", draft);
    const found = once && this.refs.find(once);
    if (found !== undefined) {
      const underWay = this.#data.underWay.get(`${channel}\n${found}`);
      if (underWay === undefined) answer(found, draft);
      else underWay.waiting.push({ draft, answer });
      return;
    }
    this.#loaded(channel, () => {
      const prev = this.#data.given.get(channel) ?? this.#tails.last(channel);
      const message = messageAfter(prev, this.options.date(), draft);
      const { id, timestamp } = message;
      const ref = once && { ...once, id, timestamp };
      if (ref !== undefined) this.refs.note(ref, draft.network);
      const network = this.#networks.keyOf(draft.network);
      this.#writer.post({ channel, message, ref, network, waiting: [{ draft, answer }] });
    });
  }

  #onWritten({ channel, message }: Post): void {
    const load = this.#loads.get(channel);
    if (load !== undefined) load.stale = true;
    if (message.deletes) {
      this.#removed++;
      this.#tails.erase(channel, message.deletes);
    }
    this.#tails.append(channel, message);
    this.options.events.message(channel, message);
  }

  #onDropped({ channel, upTo, forgotten }: Drop): void {
    if (this.#data.floors.get(channel) === upTo) this.#data.floors.delete(channel);
    else if (forgotten) this.#tails.forget(channel, upTo);
    else this.#tails.drop(channel, upTo);
  }

  /** Forgets the channels that were empty for long enough; the file follows. */
  #expired(): Expired[] {
    const { left, floors, retention } = this.#data;
    const before = this.options.clock() - retention.ttl * 1000;
    const expired: Expired[] = [];
    for (const [channel, since] of left) {
      if (since > before) break;
      left.delete(channel);
      const upTo = this.#tails.has(channel) ? this.#tails.last(channel) : undefined;
      if (upTo !== undefined) {
        this.#tails.forget(channel, upTo);
        floors.set(channel, upTo);
      }
      expired.push({ channel, upTo });
    }
    return expired;
  }

  /** Runs this once memory has the newest messages of a channel: now, if it has them. */
  #loaded(channel: string, run: () => void): void {
    if (this.#tails.has(channel)) return run();
    const load = this.#loads.get(channel);
    if (load !== undefined) return void load.then.push(run);
    const started = { stale: false, failed: false, then: [run] };
    this.#loads.set(channel, started);
    this.#load(channel, started);
  }

  #load(channel: string, load: Load): void {
    load.stale = load.failed = false;
    const floor = this.#data.floors.get(channel) ?? 0;
    this.#reader.ask({ ask: "tail", channel, floor, limit: TAIL }, (found) => {
      load.failed = found === undefined;
      if (found === undefined) return;
      if (load.stale) return this.#load(channel, load);
      this.#loads.delete(channel);
      // What is on the disk but was not told yet comes later.
      const next = this.#untold(channel);
      const last = next === undefined ? found.last : next.prev;
      const messages = found.messages.filter(({ id }) => id <= (last ?? 0));
      this.#tails.restore(channel, last, { ...found, messages });
      for (const run of load.then) run();
      this.#tails.makeRoom();
    });
  }

  /** The first message of a channel that may be on the disk, but that nobody was told of. */
  #untold(channel: string): Message | undefined {
    return this.#data.writing?.posts.find((post) => post.channel === channel)?.message;
  }
}
