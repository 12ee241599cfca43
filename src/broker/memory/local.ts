import type { Answer, BrokerOptions, Claim, Release, Roster } from "../broker.ts";
import { createNamesData, Names, type NamesData, type NamesOptions } from "./names.ts";
import { createRefsData, Refs, type RefsData } from "./refs.ts";

/** What brokers of one process know in memory: plain data, so that it survives a reload. */
export interface LocalData {
  readonly secret: Uint8Array;
  readonly names: NamesData;
  readonly refs: RefsData;
}

export function createLocalData(secret: Uint8Array): LocalData {
  return { secret, names: createNamesData(), refs: createRefsData() };
}

/** The part of the port that brokers of one process have in common: the names, in memory. */
export class LocalBroker {
  readonly secret: Uint8Array;
  protected readonly options: BrokerOptions;
  protected readonly names: Names;
  protected readonly refs: Refs;

  constructor(data: LocalData, options: BrokerOptions, onName?: NamesOptions["onChange"]) {
    this.secret = data.secret;
    this.options = options;
    this.names = new Names(data.names, { ...options, ...(onName && { onChange: onName }) });
    this.refs = new Refs(data.refs, options.clock);
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

  roster(channel: string, answer: Answer<Roster>): void {
    answer(this.names.roster(channel));
  }

  renew(): void {
    this.names.expire();
    this.refs.expire();
  }
}
