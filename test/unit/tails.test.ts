import { expect, test } from "bun:test";
import { createTailsData, Tails } from "../../src/broker/sqlite/tails.ts";

test("tails: channels in use that take too much are not searched for each message", () => {
  const data = createTailsData(0);
  let visits = 0;
  const { tails } = data;
  const values = tails.values.bind(tails);
  tails.values = () => values().map((tail) => (visits++, tail)) as ReturnType<typeof values>;
  const memory = new Tails(data, { messages: 1000, bytes: 100_000 });
  for (let n = 0; n < 1000; n++) {
    memory.restore(`${n}`, 1, { messages: [], more: false });
    memory.occupy(`${n}`, true);
  }
  const post = (channel: string, id: number) =>
    memory.append(channel, { id, prev: id - 1, timestamp: 1, text: '"x"', user: '"ann"' });
  for (let id = 2; id < 1002; id++) post(`${id % 1000}`, id);
  expect(visits).toBeLessThan(100_000);
  // What was said in channels that nobody uses still goes.
  expect(data.bytes).toBeLessThan(1000 * 520 + 20_000);
});
