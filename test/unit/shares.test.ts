import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  addItem,
  createShares,
  firstToGo,
  type Item,
  removeItem,
} from "../../src/broker/memory/shares.ts";

const network = fc.constantFrom(undefined, "", "a", "b", "c");
const step = fc.oneof(
  fc.record({ is: fc.constant("add" as const), network }),
  fc.record({ is: fc.constant("remove" as const), at: fc.nat(20) }),
  fc.record({ is: fc.constant("make room" as const) }),
);

test("the first to go is the oldest of the largest share, in any order of steps", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shares = createShares<number>();
      const all: Item<number>[] = [];
      const sizeOf = (of: string | undefined) =>
        all.filter(({ share }) => share.network === of).length;
      for (const [n, one] of steps.entries()) {
        if (one.is === "add") all.push(addItem(shares, n, one.network));
        else if (one.is === "remove")
          for (const item of all.splice(one.at, 1)) removeItem(shares, item);
        else {
          const item = firstToGo(shares);
          if (item !== undefined)
            removeItem(shares, ...(all.splice(all.indexOf(item), 1) as [Item<number>]));
        }
        const first = firstToGo(shares);
        const largest = Math.max(0, ...all.map(({ share }) => sizeOf(share.network)));
        expect(first === undefined ? 0 : sizeOf(first.share.network)).toBe(largest);
        expect(first).toBe(all.find(({ share }) => share === first?.share));
        expect(shares.bySize.length).toBe(largest);
        expect(new Set(shares.byNetwork.keys())).toEqual(
          new Set(all.map(({ share }) => share.network)),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test("of shares of the same size, the one that has had it longest is first", () => {
  const shares = createShares<number>();
  const networks = ["a", "b", "c"];
  for (const [n, one] of networks.entries()) addItem(shares, n, one);
  for (const one of networks) {
    const item = firstToGo(shares)!;
    expect(item.share.network).toBe(one);
    removeItem(shares, item);
    addItem(shares, item.value, one);
  }
});
