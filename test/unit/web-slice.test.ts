import { expect, test } from "bun:test";
import fc from "fast-check";
import { Slice } from "../../src/web/slice.ts";

test("follows the latest of many entries with 300 rows", () => {
  const slice = new Slice();
  slice.follow(50);
  expect(slice).toMatchObject({ from: 0, to: 50 });
  slice.follow(1000);
  expect(slice).toMatchObject({ from: 700, to: 1000 });
});

test("moves up to the first entry and back down to the last", () => {
  const slice = new Slice();
  slice.toEnd(1000);
  // At the latest message the rows above it do not go.
  expect(slice.up(1000, true)).toBe(false);
  expect(slice.up(1000, false)).toBe(true);
  expect(slice).toMatchObject({ from: 600, to: 900 });
  for (let step = 0; step < 10; step++) slice.up(1000, false);
  expect(slice).toMatchObject({ from: 0, to: 300 });
  for (let step = 0; step < 10; step++) slice.down(1000);
  expect(slice).toMatchObject({ from: 700, to: 1000 });
});

test("reaches an entry above or below, and stays if it has a row", () => {
  const slice = new Slice();
  slice.toEnd(1000);
  slice.reach(800, 1000);
  expect(slice).toMatchObject({ from: 700, to: 1000 });
  slice.reach(40, 1000);
  expect(slice).toMatchObject({ from: 0, to: 300 });
  slice.reach(600, 1000);
  expect(slice).toMatchObject({ from: 500, to: 800 });
});

test("has at most 300 rows of entries that exist, whatever happens", () => {
  const step = fc.constantFrom("up", "down", "toEnd", "follow", "reach", "grow", "add");
  fc.assert(
    fc.property(fc.array(step), fc.nat(2000), (steps, at) => {
      const slice = new Slice();
      let length = 20;
      slice.follow(length);
      for (const name of steps) {
        if (name === "add") length += at;
        else if (name === "up") slice.up(length, slice.to === length);
        else if (name === "reach") slice.reach(at % length, length);
        else slice[name](length);
        expect(slice.from).toBeGreaterThanOrEqual(0);
        expect(slice.to).toBeWithin(slice.from + 1, length + 1);
        expect(slice.to - slice.from).toBeLessThanOrEqual(300);
      }
    }),
  );
});
