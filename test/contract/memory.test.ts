import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BrokerRules } from "../../src/broker/broker.ts";
import { createHistoryData, History } from "../../src/broker/memory/history.ts";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import {
  createRefsData,
  hashOf,
  MAX_POSTS,
  Refs,
  REMEMBERED,
} from "../../src/broker/memory/refs.ts";
import { brokerContract } from "./broker.ts";
import { asked, clocksOf, type Heard, recorder, RULES, START, type Store } from "./port.ts";

function open(rules: BrokerRules): Store & { readonly raw: MemoryBroker } {
  const heard: Heard[] = [];
  const data = createMemoryData(new Uint8Array(32), 0);
  const raw = new MemoryBroker(data, { rules, ...clocksOf(() => store), events: recorder(heard) });
  const broker = asked(raw);
  const node = () => ({ broker, heard });
  const store = { now: START, skew: 0, node, close: async () => {}, raw };
  return store;
}

brokerContract("memory", (rules) => Promise.resolve(open(rules)));

test("memory: every answer comes in the same tick", () => {
  const { raw } = open(RULES);
  const answers: string[] = [];
  const holder = {};
  const name = { shown: "a", key: "a" };
  raw.join("a", () => answers.push("join"));
  raw.claim("a", { holder, name, held: undefined, session: undefined }, () =>
    answers.push("claim"),
  );
  raw.publish("a", { holder, text: '"x"', user: '"a"' }, () => answers.push("publish"));
  raw.history("a", { limit: 1 }, () => answers.push("history"));
  raw.roster("a", () => answers.push("roster"));
  raw.release("a", { holder, key: "a", keep: false }, () => answers.push("release"));
  raw.giveUp("a", "s", () => answers.push("give up"));
  const all = ["join", "claim", "publish", "history", "roster", "release", "give up"];
  expect(answers).toEqual(all);
});

test("memory: the hash of a text is the same in every version, since databases hold it", () => {
  expect(hashOf('"hi"')).toBe(0x8c11a1d10f8eb1d7n);
});

describe("memory: refs", () => {
  const post = (n: number) => ({ channel: "a", session: "s", ref: `${n}`, hash: BigInt(n) });
  /** Whether each of the first posts is known. */
  const known = (refs: Refs, count: number) =>
    Array.from({ length: count }, (_, n) => refs.find(post(n)) !== undefined);

  test("are remembered for the last 100,000 posts", () => {
    const data = createRefsData();
    const refs = new Refs(data, () => 1_000);
    for (let n = 0; n < 150_000; n++) refs.note({ ...post(n), id: n + 1 }, `${n % 1000}`);
    const first = known(refs, 150_000).indexOf(true);
    expect(first).toBe(50_000);
    expect(known(refs, 150_000).lastIndexOf(false)).toBe(first - 1);
    expect(data.shares.byNetwork.size).toBe(1000);
  });

  test("of one network cannot crowd out those of another", () => {
    let now = 0;
    const data = createRefsData();
    const refs = new Refs(data, () => now);
    const victim = 0;
    refs.note({ ...post(victim), id: 1 }, "victim");
    for (let n = 1; n <= MAX_POSTS; n++) refs.note({ ...post(n), id: n + 1 }, "attacker");
    for (let n = 0; n < 20_600; n++) {
      refs.note({ ...post(MAX_POSTS + 1 + n), id: n + 1 }, n % 2 === 0 ? "attacker" : undefined);
    }
    expect(data.posts.size).toBe(MAX_POSTS);
    expect(refs.find(post(victim))).toBe(1);
    now = REMEMBERED;
    refs.expire();
    expect(data).toEqual(createRefsData());
  });

  test("are the same from another network, and are noted again once they are forgotten", () => {
    let now = 0;
    const data = createRefsData();
    const refs = new Refs(data, () => now);
    refs.note({ ...post(1), id: 1 }, "home");
    expect(refs.find(post(1))).toBe(1);
    now = REMEMBERED;
    expect(refs.find(post(1))).toBeUndefined();
    refs.note({ ...post(1), id: 2 }, "away");
    expect([...data.shares.byNetwork.keys()]).toEqual(["away"]);
    refs.undo(post(1));
    expect(data).toEqual(createRefsData());
  });

  test("and their shares agree, in any order of steps", () => {
    const step = fc.record({
      does: fc.constantFrom("note", "undo", "expire"),
      n: fc.nat(8),
      network: fc.constantFrom(undefined, "a", "b"),
      wait: fc.nat(REMEMBERED / 2),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let now = 0;
        const data = createRefsData();
        const refs = new Refs(data, () => now);
        for (const { does, n, network, wait } of steps) {
          now += wait;
          if (does === "undo") refs.undo(post(n));
          else if (does === "expire") refs.expire();
          else if (refs.find(post(n)) === undefined) refs.note({ ...post(n), id: n }, network);
          const sizes = [...data.shares.byNetwork.values()].map(({ size }) => size);
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(data.posts.size);
          const times = [...data.posts.values()].map(({ value }) => value.at);
          expect(times).toEqual(times.toSorted((one, other) => one - other));
        }
      }),
    );
  });
});

test("memory: short of it, channels in which nothing was said go before any message", () => {
  const rules = { ...RULES, history: { limit: 10, ttl: 1e6, memory: 2_000 } };
  const history = new History(createHistoryData(0), { rules, clock: () => 1, date: () => 1 });
  history.occupy("a");
  history.vacate("a");
  history.post("a", { holder: {}, text: '"hi"', user: '"ann"' });
  for (let n = 0; n < 20; n++) {
    history.occupy(`silent ${n}`);
    history.vacate(`silent ${n}`);
  }
  expect(history.page("a", { limit: 10 }).messages.length).toBe(1);
});
