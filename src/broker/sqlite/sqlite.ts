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
import { type Once, onceOf } from "../memory/refs.ts";
import { pageAround, removalFault } from "../shared.ts";
import {
  noteName,
  openFile,
  type Post,
  removalKey,
  rowOf,
  type SqliteData,
  type SqliteOptions,
} from "./data.ts";
import { Loads } from "./loads.ts";
import { NetworkKeys } from "./network-keys.ts";
import type { Drop, Expired } from "./orders.ts";
import type { Inquiry } from "./read.ts";
import { Reader } from "./reader.ts";
import { belowOf, type Held, Tails } from "./tails.ts";
import { Writer } from "./writer.ts";

/** Bytes under way to the disk; with more, messages are refused. */
const BYTES_MOST = 8 * 1024 * 1024;

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
  readonly #loads: Loads;

  constructor(data: SqliteData, options: SqliteOptions) {
    super(data, options, (channel, key, hold) => {
      noteName(data.gathered, { channel, key, row: hold && rowOf(hold, options) });
      this.#writer.noted();
    });
    this.#data = data;
    this.#tails = new Tails(data.tails, {
      get messages() {
        return data.retention.limit;
      },
      bytes: options.rules.history.memory,
    });
    this.#reader = new Reader(data.reader, options.log);
    this.#loads = new Loads(data, this.#tails, this.#reader);
    this.#networks = new NetworkKeys(data.secret);
    this.#writer = new Writer(data, options, {
      written: (post) => this.#onWritten(post),
      refused: ({ ref }) => void (ref && this.refs.undo(ref)),
      dropped: (drop) => this.#onDropped(drop),
      read: (found) => this.#reader.receive(found),
      isUsed: (channel) => this.names.isOccupied(channel) || data.left.has(channel),
    });
  }

  join(channel: string, answer: JoinAnswer): void {
    this.names.join(channel);
    this.#data.left.delete(channel);
    this.#loads.loaded(channel, () => {
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
    this.#postOnce(channel, onceOf(channel, draft, draft.text), draft, answer);
  }

  history(channel: string, query: HistoryQuery, answer: Answer<Page | undefined>): void {
    const again = () => this.history(channel, query, answer);
    const run = () => {
      if (query.around !== undefined) {
        // A text that was read for the first half may be removed before the second is.
        const held = this.#tails.hold(channel);
        return pageAround(this, channel, query, (page) =>
          this.#tails.release(held) ? answer(page) : again(),
        );
      }
      const page = this.#tails.page(channel, query);
      if (page !== undefined) return answer(page);
      const { after, before = Infinity, limit } = query;
      const rangeOf = (held: Held): Inquiry => {
        return { ask: "range", after, before: Math.min(before, belowOf(held)), limit };
      };
      this.#loads.ask(channel, rangeOf, (found, held) => {
        const joined = found && this.#tails.joined(held, query, found);
        if (found === undefined || joined !== undefined) answer(joined);
        else again();
      });
    };
    this.#loads.loaded(channel, run, () => answer(undefined));
  }

  search(channel: string, query: SearchQuery, answer: Answer<Found | undefined>): void {
    const inquiryOf = (): Inquiry => ({ ask: "search", ...query });
    const run = () =>
      this.#loads.ask(channel, inquiryOf, (found) => {
        const next = this.#loads.untold(channel)?.id ?? Infinity;
        answer(found && { ...found, messages: found.messages.filter(({ id }) => id < next) });
      });
    this.#loads.loaded(channel, run, () => answer(undefined));
  }

  remove(channel: string, removal: Removal, answer: Answer<number | RemovalFault>): void {
    const { id } = removal;
    const once = onceOf(channel, removal, `delete ${id}`);
    const known = () => once && this.refs.find(once);
    const post = (message: Message | undefined) => {
      const isNew = known() === undefined;
      const fault = isNew ? removalFault(message, removal) : undefined;
      if (fault !== undefined) return answer(fault);
      const draft = { ...removal, text: REMOVED, user: message?.user ?? REMOVED, deletes: id };
      const underWay = isNew ? this.#data.underWay.get(removalKey(channel, id)) : undefined;
      if (underWay === undefined) return this.#postOnce(channel, once, draft, (id) => answer(id));
      const after = (id: number | PublishFault) =>
        answer(typeof id === "number" ? "not_found" : id);
      underWay.waiting.push({ draft, answer: after });
    };
    const run = () => {
      const message = this.#tails.find(channel, id);
      if (message !== undefined || known() !== undefined) return post(message);
      this.#loads.ask(
        channel,
        () => ({ ask: "message", id }),
        (found) => {
          if (found === undefined) answer("unavailable");
          else post(found.messages[0]);
        },
      );
    };
    this.#loads.loaded(channel, run, () => answer("unavailable"));
  }

  override renew(): void {
    super.renew();
    this.#writer.renew(this.#expired());
    this.#loads.retry();
  }

  status(): BrokerStatus {
    return this.#data.status;
  }

  dispose(): void {
    this.#reader.dispose();
    this.#writer.dispose();
  }

  async close(): Promise<void> {
    // The last to close the file tidies up, and that has to be the thread that may write.
    await this.#reader.close();
    await this.#writer.close();
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
    const run = () => {
      const prev = this.#data.given.get(channel) ?? this.#tails.last(channel);
      const message = messageAfter(prev, this.options.date(), draft);
      const { id, timestamp } = message;
      const ref = once && { ...once, id, timestamp };
      if (ref !== undefined) this.refs.note(ref, draft.network);
      const network = this.#networks.keyOf(draft.network);
      this.#writer.post({ channel, message, ref, network, waiting: [{ draft, answer }] });
    };
    this.#loads.loaded(channel, run, () => answer("unavailable", draft));
  }

  #onWritten({ channel, message }: Post): void {
    this.#loads.changed(channel);
    if (message.deletes) this.#tails.erase(channel, message.deletes);
    this.#tails.append(channel, message);
    this.options.events.message(channel, message);
  }

  #onDropped({ channel, upTo, forgotten }: Drop): void {
    const { floors } = this.#data.reader;
    this.#loads.changed(channel);
    if (floors.get(channel) === upTo) floors.delete(channel);
    else if (forgotten) this.#tails.forget(channel, upTo);
    else this.#tails.drop(channel, upTo);
  }

  /** Forgets the channels that were empty for long enough; the file follows. */
  #expired(): Expired[] {
    const { left, reader, retention } = this.#data;
    const before = this.options.clock() - retention.ttl * 1000;
    const expired: Expired[] = [];
    for (const [channel, since] of left) {
      if (since > before) break;
      left.delete(channel);
      // Of others, the thread that writes finds out when something was said last.
      if (!this.#tails.has(channel)) continue;
      const upTo = this.#tails.last(channel);
      this.#tails.forget(channel, upTo);
      reader.floors.set(channel, upTo);
      expired.push({ channel, upTo });
    }
    return expired;
  }
}
