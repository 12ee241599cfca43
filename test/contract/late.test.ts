import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { lateStore } from "../helpers/late.ts";
import { brokerContract } from "./broker.ts";
import { asked, type Heard, recorder, type Store } from "./port.ts";

/** Two nodes and more on one store that answers late: the contract holds behind a network too. */
brokerContract("late", (rules) => {
  const clock = () => store.now;
  const nodes = lateStore((events) => {
    const data = createMemoryData(new Uint8Array(32), 0);
    return new MemoryBroker(data, { rules, clock, events });
  });
  const store: Store = {
    now: 0,
    node() {
      const heard: Heard[] = [];
      return { broker: asked(nodes.node(recorder(heard))), heard };
    },
    close: async () => {},
  };
  return Promise.resolve(store);
});
