import type {
  Broker,
  BrokerEvents,
  EvictionReason,
  Holder,
  PublishFault,
} from "../../src/broker/broker.ts";

/**
 * An artificial broker, as one behind a network is: what it is asked takes effect later, in order;
 * answers and events come later still, in one sequence, in bursts, out of step with the calls.
 */
export interface LateBroker extends Broker {
  /** Whether requests wait until this is false again. */
  hold: boolean;
  /** The answer to the next draft, which is not posted. */
  refuse: PublishFault | undefined;
  /** Has every holder of a name on this node evicted, for this reason. */
  evict(reason: EvictionReason): void;
  /** Resolves once everything that was asked is done and told. */
  settled(): Promise<void>;
}

export interface LateStore {
  /** One more node on the same store. */
  node(events: BrokerEvents): LateBroker;
}

/**
 * @param open opens the broker that does the work: it answers in the same tick
 * @param random at least 0, below 1
 */
export function lateStore(
  open: (events: BrokerEvents) => Broker,
  random: () => number = Math.random,
): LateStore {
  const hearing: ((tell: (events: BrokerEvents) => void) => void)[] = [];
  const toAll = (tell: (events: BrokerEvents) => void) => {
    for (const hear of hearing) hear(tell);
  };
  const inner = open({
    message: (channel, message) => toAll((events) => events.message(channel, message)),
    presence: (channel, change) => toAll((events) => events.presence(channel, change)),
    evicted: (channel, holder, reason) => evicted(channel, holder, reason),
    gap: (channel) => toAll((events) => events.gap(channel)),
  });
  /** The node of each holder, which alone hears that it was evicted. */
  const nodeOf = new WeakMap<object, (tell: (events: BrokerEvents) => void) => void>();
  const evicted: BrokerEvents["evicted"] = (channel, holder, reason) =>
    nodeOf.get(holder)?.((events) => events.evicted(channel, holder, reason));

  return {
    node(events) {
      const requests: (() => void)[] = [];
      const replies: (() => void)[] = [];
      const hear = (tell: (events: BrokerEvents) => void) => later(replies, () => tell(events));
      hearing.push(hear);
      const held = new Map<Holder, { channel: string; key: string }>();
      let timer: Timer | undefined;
      let whenSettled: (() => void)[] = [];

      function later(queue: (() => void)[], run: () => void): void {
        queue.push(run);
        timer ??= setTimeout(turn, random() * 2);
      }
      /** Some of what waits, a burst of any size: replies first, so that they lag behind. */
      function turn(): void {
        timer = undefined;
        for (const run of replies.splice(0, Math.ceil(random() * replies.length))) run();
        const held = late.hold ? 0 : Math.ceil(random() * requests.length);
        for (const run of requests.splice(0, held)) run();
        if (requests.length + replies.length > 0) timer ??= setTimeout(turn, random() * 2);
        else for (const done of whenSettled.splice(0)) done();
      }
      /** Asks the inner broker later, and answers later still. */
      function ask<A extends unknown[]>(
        call: (answer: (...args: A) => void) => void,
        answer?: (...args: A) => void,
      ): void {
        later(requests, () => call((...args) => later(replies, () => answer?.(...args))));
      }

      const late: LateBroker = {
        hold: false,
        refuse: undefined,
        secret: inner.secret,
        join: (channel, answer) => ask((then) => inner.join(channel, then), answer),
        leave: (channel) => later(requests, () => inner.leave(channel)),
        publish: (channel, draft, answer) =>
          ask((then) => {
            const fault = late.refuse;
            late.refuse = undefined;
            if (fault === undefined) inner.publish(channel, draft, then);
            else then(fault, draft);
          }, answer),
        claim(channel, claim, answer) {
          nodeOf.set(claim.holder, hear);
          held.set(claim.holder, { channel, key: claim.name.key });
          ask((then) => inner.claim(channel, claim, then), answer);
        },
        evict(reason) {
          for (const [holder, { channel, key }] of held) {
            later(requests, () => inner.release(channel, { holder, key, keep: false }));
            later(requests, () => hear((events) => events.evicted(channel, holder, reason)));
          }
        },
        release: (channel, release, answer) =>
          ask((then) => inner.release(channel, release, then), answer),
        giveUp: (channel, session, answer) =>
          ask((then) => inner.giveUp(channel, session, then), answer),
        history: (channel, query, answer) =>
          ask((then) => inner.history(channel, query, then), answer),
        search: (channel, query, answer) =>
          ask((then) => inner.search(channel, query, then), answer),
        remove: (channel, removal, answer) =>
          ask((then) => inner.remove(channel, removal, then), answer),
        roster: (channel, answer) => ask((then) => inner.roster(channel, then), answer),
        renew: () => later(requests, () => inner.renew()),
        status: () => inner.status(),
        dispose() {},
        close: () => late.settled(),
        settled: () =>
          new Promise((resolve) => {
            whenSettled.push(resolve);
            timer ??= setTimeout(turn);
          }),
      };
      return late;
    },
  };
}
