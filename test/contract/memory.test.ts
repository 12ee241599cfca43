import { expect, test } from "bun:test";
import type { BrokerRules } from "../../src/broker/broker.ts";
import { createHistoryData, History } from "../../src/broker/memory/history.ts";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { createRefsData, hashOf, Refs } from "../../src/broker/memory/refs.ts";
import { brokerContract } from "./broker.ts";
import { asked, type Heard, recorder, RULES, type Store } from "./port.ts";

function open(rules: BrokerRules): Store & { readonly raw: MemoryBroker } {
  const heard: Heard[] = [];
  const clock = () => store.now;
  const data = createMemoryData(new Uint8Array(32), 0);
  const raw = new MemoryBroker(data, { rules, clock, events: recorder(heard) });
  const broker = asked(raw);
  const store = { now: 0, node: () => ({ broker, heard }), close: async () => {}, raw };
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

test("memory: refs are remembered for at least 50,000 posts, and at most 100,000", () => {
  const refs = new Refs(createRefsData(), () => 1_000);
  const post = (n: number) => ({ channel: "a", session: "s", ref: `${n}`, hash: BigInt(n) });
  for (let n = 0; n < 150_000; n++) refs.note({ ...post(n), id: 1_000_000 + n });
  const known = Array.from({ length: 150_000 }, (_, n) => refs.find(post(n)) !== undefined);
  const first = known.indexOf(true);
  expect(150_000 - first).toBeGreaterThanOrEqual(50_000);
  expect(150_000 - first).toBeLessThanOrEqual(100_000);
  expect(known.slice(first)).not.toContain(false);
});

test("memory: short of it, channels in which nothing was said go before any message", () => {
  const rules = { ...RULES, history: { limit: 10, ttl: 1e6, memory: 2_000 } };
  const history = new History(createHistoryData(0), { rules, clock: () => 1 });
  history.occupy("a");
  history.vacate("a");
  // As when its last member left while the message was on its way to a store.
  history.append("a", { id: 1, prev: 0, text: '"hi"', user: '"ann"' });
  for (let n = 0; n < 20; n++) {
    history.occupy(`silent ${n}`);
    history.vacate(`silent ${n}`);
  }
  expect(history.page("a", { limit: 10 }).messages.length).toBe(1);
});

test("memory: what is restored ends with the last message, however little memory there is", () => {
  const rules = { ...RULES, history: { limit: 10, ttl: 1e6, memory: 0 } };
  const texts = ["1", `"${"x".repeat(2000)}"`, "3"];
  const messages = texts.map((text, n) => ({ id: n + 1, prev: n, text, user: '"ann"' }));
  for (let memory = 0; memory < 10_000; memory += 200) {
    rules.history.memory = memory;
    const history = new History(createHistoryData(0), { rules, clock: () => 1 });
    history.restore("a", 3, messages);
    expect(history.last("a")).toBe(3);
    expect(history.page("a", { after: 3, limit: 10 }).gap).toBe(false);
    const { messages: kept, gap } = history.page("a", { after: 2, limit: 10 });
    expect(kept.at(-1)?.id === 3 ? gap : !gap).toBe(false);
  }
});
