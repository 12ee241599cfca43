import type {
  Answer,
  Broker,
  BrokerOptions,
  BrokerStatus,
  Claim,
  Draft,
  HistoryQuery,
  JoinAnswer,
  PublishAnswer,
  Release,
  Roster,
} from "../broker.ts";
import type { Page } from "../../protocol/encode.ts";
import { createHistoryData, History, type HistoryData, type HistoryOptions } from "./history.ts";
import { createNamesData, Names, type NamesData, type NamesOptions } from "./names.ts";
import { createRefsData, hashOf, Refs, type RefsData } from "./refs.ts";

/** Everything that the memory broker knows: plain data, so that it survives a reload. */
export interface MemoryData {
  readonly secret: Uint8Array;
  readonly history: HistoryData;
  readonly names: NamesData;
  readonly refs: RefsData;
}

/** @param forgotten the highest id that may have been given before and is not known any more */
export function createMemoryData(secret: Uint8Array, forgotten: number): MemoryData {
  return {
    secret,
    history: createHistoryData(forgotten),
    names: createNamesData(),
    refs: createRefsData(),
  };
}

/** Opens a memory broker, with the data of the load before if there is some. */
export function openMemory(data: { memory?: MemoryData }, options: BrokerOptions): MemoryBroker {
  const secret = () => crypto.getRandomValues(new Uint8Array(32));
  // Whatever was said until now is forgotten, and without a store nobody can say what it was.
  data.memory ??= createMemoryData(secret(), options.date() * 1000);
  return new MemoryBroker(data.memory, options);
}

/** What changes, for a broker that keeps it elsewhere as well. */
export type MemoryHooks = Pick<HistoryOptions, "onDrop"> & Pick<NamesOptions, "onChange">;

/** The broker of one process that keeps everything in memory and answers in the same tick. */
export class MemoryBroker implements Broker {
  readonly secret: Uint8Array;
  protected readonly options: BrokerOptions;
  protected readonly messages: History;
  protected readonly names: Names;
  protected readonly refs: Refs;

  constructor(data: MemoryData, options: BrokerOptions, hooks: MemoryHooks = {}) {
    this.secret = data.secret;
    this.options = options;
    this.messages = new History(data.history, { ...options, ...hooks });
    this.names = new Names(data.names, { ...options, ...hooks });
    this.refs = new Refs(data.refs, options.clock);
  }

  join(channel: string, answer: JoinAnswer): void {
    if (this.names.join(channel)) this.messages.occupy(channel);
    answer(this.messages.last(channel), this.messages.isSilent(channel));
  }

  leave(channel: string): void {
    if (this.names.leave(channel)) this.messages.vacate(channel);
  }

  publish(channel: string, draft: Draft, answer: PublishAnswer): void {
    const { session, ref, text } = draft;
    if (session === undefined || ref === undefined)
      return answer(this.#post(channel, draft), draft);
    const once = { channel, session, ref, hash: hashOf(text) };
    const found = this.refs.find(once);
    if (found !== undefined) return answer(found, draft);
    const id = this.#post(channel, draft);
    this.refs.note({ ...once, id }, draft.network);
    answer(id, draft);
  }

  claim(channel: string, claim: Claim, answer: Answer<boolean>): void {
    answer(this.names.claim(channel, claim));
  }

  release(channel: string, release: Release, answer?: Answer<void>): void {
    this.names.release(channel, release);
    answer?.();
  }

  giveUp(channel: string, session: string, answer?: Answer<void>): void {
    this.names.giveUp(channel, session);
    answer?.();
  }

  history(channel: string, query: HistoryQuery, answer: Answer<Page>): void {
    answer(this.messages.page(channel, query));
  }

  roster(channel: string, answer: Answer<Roster>): void {
    answer(this.names.roster(channel));
  }

  renew(): void {
    this.names.expire();
    this.messages.expire();
    this.refs.expire();
  }

  status(): BrokerStatus {
    return { state: "ready" };
  }

  dispose(): void {}

  async close(): Promise<void> {}

  #post(channel: string, draft: Draft): number {
    const message = this.messages.post(channel, draft);
    this.options.events.message(channel, message);
    return message.id;
  }
}
