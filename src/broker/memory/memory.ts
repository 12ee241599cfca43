import { type Message, type Page, REMOVED } from "../../protocol/encode.ts";
import type {
  Answer,
  Broker,
  BrokerOptions,
  BrokerStatus,
  Draft,
  Found,
  HistoryQuery,
  JoinAnswer,
  PublishAnswer,
  PublishFault,
  Removal,
  RemovalFault,
  SearchQuery,
} from "../broker.ts";
import { pageAround, removalFault } from "../shared.ts";
import { finds, isEmpty, searchOf } from "../words.ts";
import { createHistoryData, History, type HistoryData } from "./history.ts";
import { createLocalData, LocalBroker, type LocalData } from "./local.ts";
import { type Once, onceOf } from "./refs.ts";

/** Characters that one search looks at, at most: it holds up everything else meanwhile. */
const SEARCHED = 256 * 1024;

/** Everything that the memory broker knows: plain data, so that it survives a reload. */
export interface MemoryData extends LocalData {
  readonly history: HistoryData;
}

/** @param forgotten the highest id that may have been given before and is not known any more */
export function createMemoryData(secret: Uint8Array, forgotten: number): MemoryData {
  return { ...createLocalData(secret), history: createHistoryData(forgotten) };
}

/** Opens a memory broker, with the data of the load before if there is some. */
export function openMemory(data: { memory?: MemoryData }, options: BrokerOptions): MemoryBroker {
  const secret = () => crypto.getRandomValues(new Uint8Array(32));
  // Whatever was said until now is forgotten, and without a store nobody can say what it was.
  data.memory ??= createMemoryData(secret(), options.date() * 1000);
  return new MemoryBroker(data.memory, options);
}

/** The broker of one process that keeps everything in memory and answers in the same tick. */
export class MemoryBroker extends LocalBroker implements Broker {
  readonly #messages: History;

  constructor(data: MemoryData, options: BrokerOptions) {
    super(data, options);
    this.#messages = new History(data.history, options);
  }

  join(channel: string, answer: JoinAnswer): void {
    if (this.names.join(channel)) this.#messages.occupy(channel);
    answer(this.#messages.last(channel), this.#messages.isSilent(channel));
  }

  leave(channel: string): void {
    if (this.names.leave(channel)) this.#messages.vacate(channel);
  }

  publish(channel: string, draft: Draft, answer: PublishAnswer): void {
    answer(this.#postOnce(channel, draft, onceOf(channel, draft, draft.text)), draft);
  }

  remove(channel: string, removal: Removal, answer: Answer<number | RemovalFault>): void {
    const { id } = removal;
    const once = onceOf(channel, removal, `delete ${id}`);
    const known = once && this.refs.find(once);
    if (known !== undefined) return answer(known);
    const message = this.#messages.find(channel, id);
    const fault = removalFault(message, removal);
    if (fault !== undefined || message === undefined) return answer(fault ?? "not_found");
    this.#messages.erase(channel, id);
    const draft = { ...removal, text: REMOVED, user: message.user, deletes: id };
    answer(this.#postOnce(channel, draft, once));
  }

  search(
    channel: string,
    { query, before = Infinity, limit }: SearchQuery,
    answer: Answer<Found>,
  ): void {
    const wanted = searchOf(query);
    let characters = 0;
    const fits = (message: Message) => {
      if (message.id >= before || characters > SEARCHED) return false;
      characters += message.text.length;
      return finds(wanted, message);
    };
    const found = isEmpty(wanted) ? [] : this.#messages.newest(channel, fits, limit + 1);
    const more = found.length > limit || (found.length > 0 && characters > SEARCHED);
    answer({ messages: found.slice(0, limit), more });
  }

  history(channel: string, query: HistoryQuery, answer: Answer<Page | undefined>): void {
    if (query.around !== undefined) return pageAround(this, channel, query, answer);
    answer(this.#messages.page(channel, query));
  }

  override renew(): void {
    super.renew();
    this.#messages.expire();
  }

  status(): BrokerStatus {
    return { state: "ready" };
  }

  dispose(): void {}

  async close(): Promise<void> {}

  #postOnce(channel: string, draft: Draft, once: Once | undefined): number | PublishFault {
    const known = once && this.refs.find(once);
    if (known !== undefined) return known;
    const message = this.#messages.post(channel, draft);
    this.options.events.message(channel, message);
    if (once !== undefined) this.refs.note({ ...once, id: message.id }, draft.network);
    return message.id;
  }
}
