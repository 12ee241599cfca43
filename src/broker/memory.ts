import type { Broker, BrokerEvents, Clock, Draft, PublishFault } from "./broker.ts";
import {
  createHistory,
  createHistoryData,
  type HistoryData,
  type HistoryRules,
} from "./history.ts";
import { createNames, createNamesData, type NamesData, type NamesRules } from "./names.ts";
import { createRefs, createRefsData, hashOf, type Once, type RefsData } from "./refs.ts";

/** Everything that the memory broker knows: plain data, so that it survives a reload. */
export interface MemoryData {
  readonly secret: Uint8Array;
  readonly history: HistoryData;
  readonly names: NamesData;
  readonly refs: RefsData;
}

/**
 * @param forgotten the highest id that may have been given before. Without a store that is the time
 *   in microseconds: whatever was said until now is forgotten, and nobody is told otherwise.
 */
export function createMemoryData(forgotten: number): MemoryData {
  return {
    secret: crypto.getRandomValues(new Uint8Array(32)),
    history: createHistoryData(forgotten),
    names: createNamesData(),
    refs: createRefsData(),
  };
}

export interface BrokerRules {
  readonly history: HistoryRules;
  readonly names: NamesRules;
}

/** The broker of one process that keeps everything in memory and answers in the same tick. */
export function createMemoryBroker(
  data: MemoryData,
  rules: BrokerRules,
  clock: Clock,
  events: BrokerEvents,
): Broker {
  const history = createHistory(data.history, rules.history, clock);
  const names = createNames(data.names, rules.names, clock, events);
  const refs = createRefs(data.refs, clock);

  function post(channel: string, { text, user }: Draft): number {
    const message = history.post(channel, text, user);
    events.message(channel, message);
    return message.id;
  }

  function postOnce(channel: string, draft: Draft, once: Once): number | PublishFault {
    const found = refs.find(once);
    if (found !== undefined) return found;
    const id = post(channel, draft);
    refs.note({ ...once, id });
    return id;
  }

  return {
    secret: data.secret,
    join(channel) {
      names.join(channel);
      return history.join(channel);
    },
    leave(channel) {
      history.leave(channel);
      names.leave(channel);
    },
    publish(channel, draft) {
      const { session, ref, text } = draft;
      if (session === undefined || ref === undefined) return post(channel, draft);
      return postOnce(channel, draft, { channel, session, ref, hash: hashOf(text) });
    },
    claim: names.claim,
    release: names.release,
    giveUp: names.giveUp,
    history: history.page,
    roster: names.roster,
    renew() {
      names.expire();
      history.expire();
      refs.expire();
    },
    close() {},
  };
}
