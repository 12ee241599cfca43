import { afterEach } from "bun:test";
import type {
  Broker,
  BrokerEvents,
  BrokerOptions,
  BrokerRules,
  Claim,
  Draft,
  EvictionReason,
  Found,
  HistoryQuery,
  PresenceChange,
  PublishFault,
  Release,
  Removal,
  RemovalFault,
  Roster,
  SearchQuery,
} from "../../src/broker/broker.ts";
import type { Message, Page } from "../../src/protocol/encode.ts";

/** What the contract of the brokers is tested with. */

export type Heard =
  | { is: "message"; channel: string; message: Message }
  | { is: "presence"; channel: string; change: PresenceChange }
  | { is: "evicted"; channel: string; holder: object; reason: EvictionReason }
  | { is: "gap"; channel: string };

/** One node: a broker, and all that it has told its node. */
export interface Node {
  readonly broker: AskedBroker;
  readonly heard: Heard[];
}

/** A broker whose answers can be awaited, for tests in which their order does not matter. */
export interface AskedBroker {
  readonly raw: Broker;
  readonly secret: Uint8Array;
  join(channel: string): Promise<number>;
  leave(channel: string): Promise<void>;
  publish(channel: string, draft: Draft): Promise<number | PublishFault>;
  claim(channel: string, claim: Claim): Promise<boolean>;
  release(channel: string, release: Release): Promise<void>;
  giveUp(channel: string, session: string): Promise<void>;
  history(channel: string, query: HistoryQuery): Promise<Page>;
  search(channel: string, query: SearchQuery): Promise<Found>;
  remove(channel: string, removal: Removal): Promise<number | RemovalFault>;
  roster(channel: string): Promise<Roster>;
  renew(): Promise<void>;
  close(): Promise<void>;
}

export function asked(raw: Broker): AskedBroker {
  /** Calls take effect in order, so those without an answer are done when a later one has its answer. */
  const done = () => new Promise<void>((resolve) => raw.roster("any", () => resolve()));
  return {
    raw,
    secret: raw.secret,
    join: (channel) => new Promise((resolve) => raw.join(channel, resolve)),
    leave(channel) {
      raw.leave(channel);
      return done();
    },
    publish: (channel, draft) => new Promise((resolve) => raw.publish(channel, draft, resolve)),
    claim: (channel, claim) => new Promise((resolve) => raw.claim(channel, claim, resolve)),
    release: (channel, release) => new Promise((resolve) => raw.release(channel, release, resolve)),
    giveUp: (channel, session) => new Promise((resolve) => raw.giveUp(channel, session, resolve)),
    history: (channel, query) =>
      new Promise((resolve) => raw.history(channel, query, (page) => resolve(page!))),
    search: (channel, query) =>
      new Promise((resolve) => raw.search(channel, query, (found) => resolve(found!))),
    remove: (channel, removal) => new Promise((resolve) => raw.remove(channel, removal, resolve)),
    roster: (channel) => new Promise((resolve) => raw.roster(channel, resolve)),
    renew() {
      raw.renew();
      return done();
    },
    close: () => raw.close(),
  };
}

export interface Store {
  /** A node on this store; a broker of one process is the same node each time. */
  node(): Node;
  /** What time it is: milliseconds since the epoch, for all nodes. */
  now: number;
  /** How far their date is ahead of it, in milliseconds. */
  skew: number;
  close(): Promise<void>;
}

/** The clocks of a store's nodes. The one that never steps back starts whenever a store is opened. */
export function clocksOf(
  store: () => Pick<Store, "now" | "skew">,
  opened = START,
): Pick<BrokerOptions, "clock" | "date"> {
  return { clock: () => store().now - opened, date: () => store().now + store().skew };
}

export type OpenStore = (rules: BrokerRules) => Promise<Store>;

export const START = 1_700_000_000_000;

export const RULES: BrokerRules = {
  history: { limit: 100, ttl: 60_000, memory: 1_000_000 },
  names: { grace: 30_000, heldFor: 10_000 },
};

export function recorder(heard: Heard[]): BrokerEvents {
  return {
    message: (channel, message) => heard.push({ is: "message", channel, message }),
    presence: (channel, change) => heard.push({ is: "presence", channel, change }),
    evicted: (channel, holder, reason) => heard.push({ is: "evicted", channel, holder, reason }),
    gap: (channel) => heard.push({ is: "gap", channel }),
  };
}

/** The messages that a node has told. */
export function messages({ heard }: Node, channel = "a"): Message[] {
  return heard.flatMap((one) =>
    one.is === "message" && one.channel === channel ? one.message : [],
  );
}

export function draft(text: string, session?: string, ref?: string) {
  return { holder: {}, text: JSON.stringify(text), user: '"ann"', session, ref };
}

export function name(shown: string) {
  return { shown, key: shown.toLowerCase() };
}

export interface Harness {
  readonly kind: string;
  /** The store that the test has started. */
  readonly store: Store;
  /** Opens a store in place of the last one, with these rules besides the usual ones, and a node. */
  start(rules?: Partial<BrokerRules>): Promise<Store & Node>;
}

/** Each test starts a store of its own, which is closed after it. */
export function harnessOf(kind: string, open: OpenStore): Harness {
  let store: Store | undefined;
  afterEach(async () => {
    await store?.close();
    store = undefined;
  });
  return {
    kind,
    get store() {
      if (store === undefined) throw new Error("the test has started no store");
      return store;
    },
    async start(rules = {}) {
      await store?.close();
      store = await open({ ...RULES, ...rules });
      return Object.assign(store, store.node());
    },
  };
}
