import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type {
  Broker,
  BrokerEvents,
  BrokerRules,
  Claim,
  Draft,
  EvictionReason,
  HistoryQuery,
  PresenceChange,
  PublishFault,
  Release,
  Roster,
} from "../../src/broker/broker.ts";
import type { Message, Page } from "../../src/protocol/encode.ts";

/** What every broker promises. Each implementation runs this suite with a harness of its own. */

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
    history: (channel, query) => new Promise((resolve) => raw.history(channel, query, resolve)),
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
  /** Milliseconds since the epoch, for all nodes. */
  now: number;
  close(): Promise<void>;
}

export type OpenStore = (rules: BrokerRules) => Promise<Store>;

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

function messages({ heard }: Node, channel = "a"): Message[] {
  return heard.flatMap((one) =>
    one.is === "message" && one.channel === channel ? one.message : [],
  );
}

const START = 1_700_000_000_000;

function draft(text: string, session?: string, ref?: string) {
  return { holder: {}, text: JSON.stringify(text), user: '"ann"', session, ref };
}

function name(shown: string) {
  return { shown, key: shown.toLowerCase() };
}

export function brokerContract(kind: string, open: OpenStore): void {
  let store: Store | undefined;

  async function start(rules: Partial<BrokerRules> = {}): Promise<Store & Node> {
    store = await open({ ...RULES, ...rules });
    store.now = START;
    return Object.assign(store, store.node());
  }

  afterEach(async () => {
    await store?.close();
    store = undefined;
  });

  describe(`${kind}: messages`, () => {
    test("have rising ids that name the one before, even when the clock steps back", async () => {
      const { broker, ...node } = await start();
      expect(await broker.join("a")).toBe(0);
      const ids: unknown[] = [];
      for (const step of [0, 0, 5, -60_000, 0, 120_000]) {
        store!.now += step;
        ids.push(await broker.publish("a", draft("hi")));
      }
      const first = START * 1000;
      expect(ids).toEqual([
        first,
        first + 1,
        first + 5000,
        first + 5001,
        first + 5002,
        first + 60_005_000,
      ]);
      const heard = messages({ broker, ...node });
      expect(heard.map(({ id }) => id)).toEqual(ids as number[]);
      expect(heard.map(({ prev }) => prev)).toEqual([0, ...(ids.slice(0, -1) as number[])]);
      expect(heard[0]).toEqual({ id: first, prev: 0, text: '"hi"', user: '"ann"' });
      expect(Math.max(...(ids as number[]))).toBeLessThan(2 ** 53);
      expect(await broker.join("a")).toBe(ids.at(-1) as number);
    });

    test("keep their order when nobody waits for an answer, and reach every node once", async () => {
      const { broker } = await start();
      const other = store!.node();
      await broker.join("a");
      await other.broker.join("a");
      await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          (n % 3 === 0 ? other.broker : broker).publish("a", draft(`${n}`)),
        ),
      );
      await other.broker.roster("a");
      const texts = messages(other).map(({ text }) => Number(JSON.parse(text)));
      expect(texts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
      expect(texts.filter((n) => n % 3 === 0)).toEqual(
        texts.filter((n) => n % 3 === 0).toSorted((a, b) => a - b),
      );
      const prevs = messages(other).map(({ prev }) => prev);
      expect(prevs.slice(1)).toEqual(
        messages(other)
          .map(({ id }) => id)
          .slice(0, -1),
      );
    });

    test("stay in their channel", async () => {
      const { broker, ...node } = await start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("for a"));
      expect(messages({ broker, ...node }, "b")).toEqual([]);
      const page = await broker.history("b", { limit: 10 });
      expect(page).toEqual({ messages: [], gap: false, more: false });
    });
  });

  describe(`${kind}: refs`, () => {
    test("the same session, ref and text is posted once and answered with its first id", async () => {
      const { broker, ...node } = await start();
      await broker.join("a");
      const together = await Promise.all([
        broker.publish("a", draft("hi", "s", "1")),
        broker.publish("a", draft("hi", "s", "1")),
      ]);
      expect(new Set(together).size).toBe(1);
      store!.now += 9 * 60_000;
      expect(await broker.publish("a", draft("hi", "s", "1"))).toBe(together[0]);
      expect(messages({ broker, ...node }).length).toBe(1);
    });

    test("a different text under the same ref is refused", async () => {
      const { broker, ...node } = await start();
      await broker.join("a");
      await broker.publish("a", draft("hi", "s", "1"));
      expect(await broker.publish("a", draft("ho", "s", "1"))).toBe("ref_reused");
      expect(messages({ broker, ...node }).length).toBe(1);
    });

    test("a different session, a different channel and no ref are posts of their own", async () => {
      const { broker } = await start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("hi", "s", "1"));
      const ids = [
        await broker.publish("a", draft("hi", "t", "1")),
        await broker.publish("b", draft("hi", "s", "1")),
        await broker.publish("a", draft("hi", "s")),
        await broker.publish("a", draft("hi")),
      ];
      for (const id of ids) expect(id).toBeNumber();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(4);
    });

    test("are remembered for 10 minutes", async () => {
      const { broker } = await start();
      await broker.join("a");
      const first = await broker.publish("a", draft("hi", "s", "1"));
      store!.now += 10 * 60_000 + 1;
      await broker.renew();
      expect(await broker.publish("a", draft("hi", "s", "1"))).not.toBe(first);
    });

    test("outlive 1,000 others of the same session", async () => {
      const { broker } = await start();
      await broker.join("a");
      const ids = await Promise.all(
        Array.from({ length: 1001 }, (_, n) => broker.publish("a", draft("hi", "s", `${n}`))),
      );
      expect(await broker.publish("a", draft("hi", "s", "0"))).toBe(ids[0]!);
    });
  });

  describe(`${kind}: history`, () => {
    /** Ten messages, of which the last `limit` are kept. */
    async function ten(limit: number) {
      const { broker } = await start({ history: { ...RULES.history, limit } });
      await broker.join("a");
      const ids: number[] = [];
      for (let n = 0; n < 10; n++) ids.push((await broker.publish("a", draft(`${n}`))) as number);
      const ask = async (query: { after?: number; before?: number; limit?: number }) => {
        const { messages: found, gap, more } = await broker.history("a", { limit: 50, ...query });
        return { texts: found.map(({ text }) => JSON.parse(text)).join(""), gap, more };
      };
      return { ids, ask };
    }

    test("returns the newest, those after an id and those before an id, oldest first", async () => {
      const { ids, ask } = await ten(100);
      expect(await ask({})).toEqual({ texts: "0123456789", gap: false, more: false });
      expect(await ask({ limit: 3 })).toEqual({ texts: "789", gap: false, more: true });
      expect(await ask({ after: ids[6]! })).toEqual({ texts: "789", gap: false, more: false });
      expect(await ask({ after: ids[3]!, limit: 2 })).toEqual({
        texts: "45",
        gap: false,
        more: true,
      });
      expect(await ask({ after: ids[9]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ before: ids[7]!, limit: 2 })).toEqual({
        texts: "56",
        gap: false,
        more: true,
      });
      expect(await ask({ before: ids[2]! })).toEqual({ texts: "01", gap: false, more: false });
      expect(await ask({ before: ids[0]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: 0 })).toEqual({ texts: "0123456789", gap: false, more: false });
    });

    test("reports a gap after an id beyond the last, one never given, and one whose successor is gone", async () => {
      const { ids, ask } = await ten(4);
      expect(await ask({ after: ids[9]! + 1 })).toEqual({ texts: "", gap: true, more: false });
      expect(await ask({ after: ids[7]! - 0.5 })).toMatchObject({ gap: true });
      expect(await ask({ after: ids[4]! })).toEqual({ texts: "6789", gap: true, more: false });
      expect(await ask({ after: ids[5]! })).toEqual({ texts: "6789", gap: false, more: false });
      expect(await ask({ after: 0 })).toEqual({ texts: "6789", gap: true, more: false });
    });

    test("with a limit of 0, reports a gap unless the client has the last id", async () => {
      const { ids, ask } = await ten(0);
      expect(await ask({})).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: ids[9]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: ids[8]! })).toEqual({ texts: "", gap: true, more: false });
    });

    test("paging from anywhere in steps of any size returns every later message once", async () => {
      const { broker } = await start();
      await broker.join("a");
      const ids: number[] = [];
      for (let n = 0; n < 60; n++) ids.push((await broker.publish("a", draft("x"))) as number);
      await fc.assert(
        fc.asyncProperty(fc.nat(59), fc.integer({ min: 1, max: 70 }), async (from, limit) => {
          const found: number[] = [];
          let after = ids[from]!;
          for (let more = true; more;) {
            const page = await broker.history("a", { after, limit });
            expect(page.gap).toBe(false);
            found.push(...page.messages.map(({ id }) => id));
            after = found.at(-1) ?? after;
            more = page.more;
          }
          expect(found).toEqual(ids.slice(from + 1));
        }),
        { numRuns: 30 },
      );
    });

    test("of an empty channel expires, and its chain does not continue unbroken", async () => {
      const { broker, ...node } = await start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("old"));
      const last = (await broker.publish("b", draft("later"))) as number;
      await broker.leave("a");
      await broker.leave("b");
      store!.now += 59_999;
      await broker.renew();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(1);
      store!.now += 2;
      await broker.renew();
      expect(await broker.join("a")).toBe(last);
      expect((await broker.history("a", { limit: 10 })).messages).toEqual([]);
      await broker.publish("a", draft("new"));
      expect(messages({ broker, ...node }).at(-1)?.prev).toBe(last);
    });

    test("of a silent channel has no gap after another channel expired meanwhile", async () => {
      const { broker } = await start();
      await broker.join("loud");
      await broker.publish("loud", draft("hi"));
      await broker.leave("loud");
      store!.now += 40_000;
      const last = await broker.join("a");
      await broker.leave("a");
      store!.now += 20_001;
      await broker.renew();
      expect(await broker.join("a")).toBe(last);
      expect((await broker.history("a", { after: last, limit: 10 })).gap).toBe(false);
    });

    test("of a channel with somebody in it does not expire", async () => {
      const { broker } = await start();
      await broker.join("a");
      await broker.publish("a", draft("old"));
      store!.now += 3_600_000;
      await broker.renew();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(1);
    });

    test("stays within its memory: the oldest of the least recently used channel go first", async () => {
      const { broker } = await start({ history: { limit: 1000, ttl: 60_000, memory: 20_000 } });
      for (const channel of ["a", "b"]) await broker.join(channel);
      const big = "x".repeat(1000);
      await broker.publish("a", draft("kept no longer"));
      for (let n = 0; n < 3; n++) await broker.publish("a", draft(big));
      for (let n = 0; n < 6; n++) await broker.publish("b", draft(big));
      const left = async (channel: string) =>
        (await broker.history(channel, { limit: 100 })).messages.length;
      expect(await left("b")).toBe(6);
      expect(await left("a")).toBe(2);
      for (let n = 0; n < 6; n++) await broker.publish("b", draft(big));
      expect(await left("a")).toBe(0);
      expect(await left("b")).toBeLessThan(12);
      expect((await broker.history("a", { after: 0, limit: 1 })).gap).toBe(true);
    });

    test("counts the memory of channel ids", async () => {
      async function kept(length: number): Promise<number> {
        const { broker } = await start({ history: { limit: 10, ttl: 60_000, memory: 50_000 } });
        const channels = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(length, "c"));
        let count = 0;
        for (const channel of channels) {
          await broker.join(channel);
          await broker.publish(channel, draft("x"));
        }
        for (const channel of channels) {
          count += (await broker.history(channel, { limit: 1 })).messages.length;
        }
        return count;
      }
      const [short, long] = [await kept(3), await kept(256)];
      expect(long).toBeLessThan(short * 0.6);
    });
  });

  describe(`${kind}: names`, () => {
    const ann = { name: "ann" };
    const bob = { name: "bob" };

    async function two() {
      const all = await start();
      const other = store!.node();
      await all.broker.join("a");
      await other.broker.join("a");
      const claim = async (holder: object, shown: string, held?: string, session?: string) =>
        (holder === bob ? other : all).broker.claim("a", {
          holder,
          name: name(shown),
          held,
          session,
        });
      const names = async () => ((await all.broker.roster("a")).names ?? []).toSorted();
      return { ...all, broker: all.broker, other, claim, names };
    }

    test("have one holder at a time, in each channel", async () => {
      const { broker, claim, names } = await two();
      expect(await claim(ann, "Ann")).toBe(true);
      expect(await claim(bob, "ann")).toBe(false);
      expect(await claim(ann, "ANN", "ann")).toBe(true);
      expect(await names()).toEqual(["ANN"]);
      await broker.join("b");
      expect(
        await broker.claim("b", {
          holder: bob,
          name: name("ann"),
          held: undefined,
          session: undefined,
        }),
      ).toBe(true);
    });

    test("go to one winner of a race", async () => {
      const { claim } = await two();
      const won = await Promise.all([claim(ann, "x"), claim(bob, "x"), claim({}, "x")]);
      expect(won.filter(Boolean).length).toBe(1);
    });

    test("are freed by a rename only once the new name is granted", async () => {
      const { claim, names } = await two();
      await claim(ann, "ann");
      await claim(bob, "bob");
      expect(await claim(ann, "bob", "ann")).toBe(false);
      expect(await names()).toEqual(["ann", "bob"]);
      expect(await claim(ann, "eve", "ann")).toBe(true);
      expect(await names()).toEqual(["bob", "eve"]);
      expect(await claim(bob, "ann", "bob")).toBe(true);
      expect(await names()).toEqual(["ann", "eve"]);
    });

    test("are free at once when their holder, and nobody else, releases them", async () => {
      const { broker, claim, names } = await two();
      await claim(ann, "ann");
      await broker.release("a", { holder: bob, key: "ann", keep: false });
      expect(await claim(bob, "ann")).toBe(false);
      await broker.release("a", { holder: ann, key: "ann", keep: false });
      expect(await names()).toEqual([]);
      expect(await claim(bob, "ann")).toBe(true);
    });

    test("go to another connection of the same session, and the first one is evicted", async () => {
      const { heard, claim, names } = await two();
      await claim(ann, "ann", undefined, "s");
      const again = {};
      expect(await claim(again, "ann", undefined, "t")).toBe(false);
      expect(await claim(again, "ann")).toBe(false);
      expect(heard.some(({ is }) => is === "evicted")).toBe(false);
      expect(await claim(again, "ann", undefined, "s")).toBe(true);
      expect(heard.filter(({ is }) => is === "evicted")).toEqual([
        { is: "evicted", channel: "a", holder: ann, reason: "replaced" },
      ]);
      expect(await names()).toEqual(["ann"]);
    });

    test("of a plain client cannot be taken over", async () => {
      const { claim } = await two();
      await claim(ann, "ann");
      expect(await claim({}, "ann", undefined, "s")).toBe(false);
      expect(await claim({}, "ann")).toBe(false);
    });

    test("of broken connections are kept for their session alone, and stay in the roster", async () => {
      const { broker, claim, names } = await two();
      await claim(ann, "ann", undefined, "s");
      store!.now += 10_000;
      await broker.release("a", { holder: ann, key: "ann", keep: true });
      expect(await names()).toEqual(["ann"]);
      expect(await claim(bob, "ann")).toBe(false);
      expect(await claim(bob, "ann", undefined, "t")).toBe(false);
      store!.now += 29_999;
      await broker.renew();
      expect(await claim(bob, "ann", undefined, "s")).toBe(true);
      expect(await names()).toEqual(["ann"]);
      await broker.release("a", { holder: bob, key: "ann", keep: true });
      store!.now += 30_000;
      await broker.renew();
      expect(await names()).toEqual([]);
      expect(await claim(ann, "ann")).toBe(true);
    });

    test("held too briefly, or by a plain client, are not kept", async () => {
      const { broker, claim, names } = await two();
      await claim(ann, "ann", undefined, "s");
      await claim({}, "other");
      store!.now += 9_999;
      await broker.release("a", { holder: ann, key: "ann", keep: true });
      await claim(bob, "bob");
      store!.now += 60_000;
      await broker.release("a", { holder: bob, key: "bob", keep: true });
      expect(await names()).toEqual(["other"]);
    });

    test("are no longer kept when their session gives them up or takes another", async () => {
      const { broker, heard, claim, names } = await two();
      for (const key of ["ann", "eve"]) {
        const holder = {};
        await claim(holder, key, undefined, "s");
        store!.now += 10_000;
        await broker.release("a", { holder, key, keep: true });
      }
      await claim(bob, "bob", undefined, "t");
      expect(await names()).toEqual(["bob", "eve"]);
      await broker.giveUp("a", "t");
      await broker.giveUp("b", "s");
      expect(await names()).toEqual(["bob", "eve"]);
      heard.length = 0;
      await broker.giveUp("a", "s");
      expect(await names()).toEqual(["bob"]);
      expect(heard).toEqual([
        { is: "presence", channel: "a", change: { count: 2, left: ["eve"] } },
      ]);
    });

    test("are kept for at most 1,000", async () => {
      const { broker } = await two();
      const holders = Array.from({ length: 1001 }, () => ({}));
      await Promise.all(
        holders.map((holder, n) =>
          broker.claim("a", { holder, name: name(`n${n}`), held: undefined, session: `s${n}` }),
        ),
      );
      store!.now += 10_000;
      await Promise.all(
        holders.map((holder, n) => broker.release("a", { holder, key: `n${n}`, keep: true })),
      );
      expect((await broker.roster("a")).named).toBe(1000);
    });

    test("and counts, as told by changes, always match the roster", async () => {
      const step = fc.record({
        who: fc.nat(3),
        does: fc.constantFrom("claim", "case", "release", "break", "leave", "wait"),
        name: fc.constantFrom("x", "y", "z"),
        session: fc.constantFrom(undefined, "s", "t"),
      });
      const { broker, heard } = await start();
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const channel = `r${round++}`;
          const holders = [{}, {}, {}, {}];
          const here = new Set<number>();
          const held = new Map<number, string>();
          const told = new Set<string>();
          let count = 0;
          for (const { who, does, name: wanted, session } of steps) {
            heard.length = 0;
            const holder = holders[who]!;
            const key = held.get(who);
            if (!here.has(who)) {
              here.add(who);
              await broker.join(channel);
            }
            if (does === "claim" || does === "case") {
              const shown = does === "case" ? wanted.toUpperCase() : wanted;
              const claim = { holder, name: { shown, key: wanted }, held: key, session };
              if (await broker.claim(channel, claim)) held.set(who, wanted);
            } else if (does === "wait") {
              store!.now += 11_000;
              await broker.renew();
            } else {
              if (key !== undefined) {
                await broker.release(channel, { holder, key, keep: does !== "release" });
                held.delete(who);
              }
              if (does !== "release") {
                here.delete(who);
                await broker.leave(channel);
              }
            }
            for (const one of heard) {
              if (one.is === "evicted") held.delete(holders.indexOf(one.holder));
              if (one.is !== "presence" || one.channel !== channel) continue;
              for (const left of one.change.left ?? []) expect(told.delete(left)).toBe(true);
              if (one.change.joined !== undefined) {
                expect(told.has(one.change.joined)).toBe(false);
                told.add(one.change.joined);
              }
              count = one.change.count;
            }
            const roster = await broker.roster(channel);
            expect(new Set(roster.names)).toEqual(told);
            expect(roster.named).toBe(told.size);
            expect(count).toBe(roster.count);
            expect(count).toBe(here.size);
            expect(new Set(held.values()).size).toBe(held.size);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
  describe(`${kind}: one order`, () => {
    test("an answer comes after the events that it takes into account, and before all others", async () => {
      const step = fc.record({
        who: fc.nat(3),
        does: fc.constantFrom("join", "leave", "say", "claim", "release", "roster", "history"),
        wait: fc.boolean(),
      });
      await start();
      const nodes = [store!.node(), store!.node()] as const;
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const channel = `order-${round++}`;
          const views = nodes.map(({ broker: { raw }, heard }) => new View(raw, heard, channel));
          for (const { who, does, wait } of steps) {
            views[who % 2]![does](who);
            if (wait) await Bun.sleep(0);
          }
          await Promise.all(views.map((view) => view.settled()));
          for (const view of views) view.check();
        }),
        { numRuns: 40 },
      );
    });
  });
}

/**
 * What one node knows of a channel by the events that it has heard, which every answer must agree
 * with at the moment when it comes.
 */
class View {
  readonly #broker: Broker;
  readonly #heard: Heard[];
  readonly #channel: string;
  readonly #faults: string[] = [];
  readonly #here = new Set<number>();
  readonly #named = new Set<number>();
  readonly #holders = [{}, {}, {}, {}];
  readonly #start: number;
  #open = 0;
  #joined = false;

  constructor(broker: Broker, heard: Heard[], channel: string) {
    this.#broker = broker;
    this.#heard = heard;
    this.#channel = channel;
    this.#start = heard.length;
  }

  join(who: number): void {
    if (this.#here.has(who)) return;
    this.#here.add(who);
    this.#ask((done) =>
      this.#broker.join(this.#channel, (last) => {
        // Only who was there from the start has heard every message.
        if (this.#joined) this.#expect("the last id", last, this.#picture().last ?? last);
        this.#joined = true;
        done();
      }),
    );
  }

  leave(who: number): void {
    // One stays, so that this node goes on hearing of the channel.
    if (this.#here.size < 2 || !this.#here.delete(who)) return;
    this.release(who);
    this.#broker.leave(this.#channel);
  }

  say(who: number): void {
    if (!this.#here.has(who)) return;
    const before = this.#ids();
    this.#ask((done) =>
      this.#broker.publish(this.#channel, { ...draft("hi"), holder: this.#holders[who]! }, (id) => {
        if (before.includes(id as number))
          this.#faults.push(`${id} was heard before it was posted`);
        if (!this.#ids().includes(id as number)) this.#faults.push(`${id} is not heard yet`);
        done();
      }),
    );
  }

  claim(who: number): void {
    if (!this.#here.has(who) || this.#named.has(who)) return;
    this.#named.add(who);
    const claim = {
      holder: this.#holders[who]!,
      name: name(`n${who}`),
      held: undefined,
      session: undefined,
    };
    this.#ask((done) =>
      this.#broker.claim(this.#channel, claim, (granted) => {
        this.#expect("granted", granted, true);
        this.#expect("heard of", this.#picture().names.has(`n${who}`), true);
        done();
      }),
    );
  }

  release(who: number): void {
    if (!this.#named.delete(who)) return;
    const release = { holder: this.#holders[who]!, key: `n${who}`, keep: false };
    this.#ask((done) =>
      this.#broker.release(this.#channel, release, () => {
        const again = this.#named.has(who);
        if (!again) this.#expect("heard of", this.#picture().names.has(`n${who}`), false);
        done();
      }),
    );
  }

  roster(): void {
    this.#ask((done) =>
      this.#broker.roster(this.#channel, ({ count, names }) => {
        const picture = this.#picture();
        this.#expect("count", count, picture.count);
        this.#expect("names", [...(names ?? [])].toSorted(), [...picture.names].toSorted());
        done();
      }),
    );
  }

  history(): void {
    this.#ask((done) =>
      this.#broker.history(this.#channel, { limit: 100 }, ({ messages: found }) => {
        const { last } = this.#picture();
        if (last !== undefined) this.#expect("the newest", found.at(-1)?.id, last);
        done();
      }),
    );
  }

  /** Resolves once all that was asked has its answer, and everybody has left. */
  async settled(): Promise<void> {
    while (this.#open > 0) await Bun.sleep(1);
    for (const who of this.#here) {
      this.release(who);
      this.#broker.leave(this.#channel);
    }
    while (this.#open > 0) await Bun.sleep(1);
  }

  check(): void {
    const ids = this.#ids();
    expect(this.#faults).toEqual([]);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
  }

  #ask(ask: (done: () => void) => void): void {
    this.#open++;
    ask(() => this.#open--);
  }

  #ids(): number[] {
    return this.#events().flatMap((one) => (one.is === "message" ? one.message.id : []));
  }

  #events(): Heard[] {
    return this.#heard.slice(this.#start).filter(({ channel }) => channel === this.#channel);
  }

  #picture() {
    const names = new Set<string>();
    let count = 0;
    let last: number | undefined;
    for (const one of this.#events()) {
      if (one.is === "message") last = one.message.id;
      if (one.is !== "presence") continue;
      ({ count } = one.change);
      for (const left of one.change.left ?? []) names.delete(left);
      if (one.change.joined !== undefined) names.add(one.change.joined);
    }
    return { names, count, last };
  }

  #expect(what: string, got: unknown, wanted: unknown): void {
    if (JSON.stringify(got) === JSON.stringify(wanted)) return;
    this.#faults.push(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
  }
}
