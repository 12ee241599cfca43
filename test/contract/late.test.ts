import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { lateStore } from "../helpers/late.ts";
import { brokerContract } from "./broker.ts";
import { asked, clocksOf, type Heard, recorder, START, type Store } from "./port.ts";

/** Two nodes and more on one store that answers late: the contract holds behind a network too. */
brokerContract("late", (rules) => {
  const nodes = lateStore((events) => {
    const data = createMemoryData(new Uint8Array(32), 0);
    return new MemoryBroker(data, { rules, ...clocksOf(() => store), events });
  });
  const store: Store = {
    now: START,
    skew: 0,
    node() {
      const heard: Heard[] = [];
      return { broker: asked(nodes.node(recorder(heard))), heard };
    },
    close: async () => {},
  };
  return Promise.resolve(store);
});
