import { expect, test } from "bun:test";
import { createMemoryBroker, createMemoryData } from "../../src/broker/memory.ts";
import {
  brokerContract,
  type Heard,
  type OpenStore,
  recorder,
  RULES,
  type Store,
} from "./broker.ts";

const open: OpenStore = (rules) => {
  const heard: Heard[] = [];
  const clock = () => store.now;
  const broker = createMemoryBroker(createMemoryData(0), rules, clock, recorder(heard));
  const store: Store = { now: 0, node: () => ({ broker, heard }), close: async () => {} };
  return Promise.resolve(store);
};

brokerContract("memory", open);

test("memory: every answer comes in the same tick", async () => {
  const { broker } = (await open(RULES)).node();
  const claim = { holder: {}, name: { shown: "a", key: "a" }, held: undefined, session: undefined };
  expect(broker.join("a")).toBeNumber();
  expect(broker.publish("a", { text: '"x"', user: '"a"' })).toBeNumber();
  expect(broker.claim("a", claim)).toBe(true);
  expect(broker.history("a", { limit: 1 })).not.toBeInstanceOf(Promise);
  expect(broker.roster("a")).not.toBeInstanceOf(Promise);
});
