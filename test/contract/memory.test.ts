import { expect, test } from "bun:test";
import type { BrokerRules } from "../../src/broker/broker.ts";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { createRefsData, Refs } from "../../src/broker/memory/refs.ts";
import { asked, brokerContract, type Heard, recorder, RULES, type Store } from "./broker.ts";

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

test("memory: refs are remembered for at least 50,000 posts, and at most 100,000", () => {
  const refs = new Refs(createRefsData(), () => 1_000);
  const post = (n: number) => ({ channel: "a", session: "s", ref: `${n}`, hash: n });
  for (let n = 0; n < 150_000; n++) refs.note({ ...post(n), id: 1_000_000 + n });
  const known = Array.from({ length: 150_000 }, (_, n) => refs.find(post(n)) !== undefined);
  const first = known.indexOf(true);
  expect(150_000 - first).toBeGreaterThanOrEqual(50_000);
  expect(150_000 - first).toBeLessThanOrEqual(100_000);
  expect(known.slice(first)).not.toContain(false);
});
