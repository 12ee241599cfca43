import type { Broker, BrokerEvents, Clock, Draft } from "./broker.ts";
import {
  createHistory,
  createHistoryData,
  type HistoryData,
  type HistoryRules,
} from "./history.ts";
import { createNames, createNamesData, type NamesData, type NamesRules } from "./names.ts";
import { createRefs, createRefsData, hashOf, type RefsData } from "./refs.ts";

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

/** What is told of changes, to one who keeps them elsewhere as well. */
export interface RoomHooks {
  readonly dropped?: Parameters<typeof createHistory>[3];
  readonly renamed?: Parameters<typeof createNames>[4];
}

/** All of a broker in memory but the way of a message. */
export function createRooms(
  data: MemoryData,
  rules: BrokerRules,
  clock: Clock,
  events: BrokerEvents,
  hooks: RoomHooks = {},
) {
  const history = createHistory(data.history, rules.history, clock, hooks.dropped);
  const names = createNames(data.names, rules.names, clock, events, hooks.renamed);
  const refs = createRefs(data.refs, clock);

  const broker: Omit<Broker, "publish" | "close"> = {
    secret: data.secret,
    join(channel) {
      names.join(channel);
      return history.join(channel);
    },
    leave(channel) {
      history.leave(channel);
      names.leave(channel);
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
  };
  return { history, refs, broker };
}

/** The broker of one process that keeps everything in memory and answers in the same tick. */
export function createMemoryBroker(
  data: MemoryData,
  rules: BrokerRules,
  clock: Clock,
  events: BrokerEvents,
): Broker {
  const { history, refs, broker } = createRooms(data, rules, clock, events);

  function post(channel: string, { text, user }: Draft): number {
    const message = history.post(channel, text, user);
    events.message(channel, message);
    return message.id;
  }

  return {
    ...broker,
    publish(channel, draft) {
      const { session, ref, text } = draft;
      if (session === undefined || ref === undefined) return post(channel, draft);
      const once = { channel, session, ref, hash: hashOf(text) };
      const found = refs.find(once);
      if (found !== undefined) return found;
      const id = post(channel, draft);
      refs.note({ ...once, id });
      return id;
    },
    close() {},
  };
}
