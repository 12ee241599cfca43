import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Harness, name } from "./port.ts";

export function namesContract(harness: Harness): void {
  describe(`${harness.kind}: names`, () => {
    const ann = { name: "ann" };
    const bob = { name: "bob" };

    async function two() {
      const all = await harness.start();
      const other = harness.store.node();
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
      harness.store.now += 10_000;
      await broker.release("a", { holder: ann, key: "ann", keep: true });
      expect(await names()).toEqual(["ann"]);
      expect(await claim(bob, "ann")).toBe(false);
      expect(await claim(bob, "ann", undefined, "t")).toBe(false);
      harness.store.now += 29_999;
      await broker.renew();
      expect(await claim(bob, "ann", undefined, "s")).toBe(true);
      expect(await names()).toEqual(["ann"]);
      await broker.release("a", { holder: bob, key: "ann", keep: true });
      harness.store.now += 30_000;
      await broker.renew();
      expect(await names()).toEqual([]);
      expect(await claim(ann, "ann")).toBe(true);
    });

    test("held too briefly, or by a plain client, are not kept", async () => {
      const { broker, claim, names } = await two();
      await claim(ann, "ann", undefined, "s");
      await claim({}, "other");
      harness.store.now += 9_999;
      await broker.release("a", { holder: ann, key: "ann", keep: true });
      await claim(bob, "bob");
      harness.store.now += 60_000;
      await broker.release("a", { holder: bob, key: "bob", keep: true });
      expect(await names()).toEqual(["other"]);
    });

    test("are no longer kept when their session gives them up or takes another", async () => {
      const { broker, heard, claim, names } = await two();
      for (const key of ["ann", "eve"]) {
        const holder = {};
        await claim(holder, key, undefined, "s");
        harness.store.now += 10_000;
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
      harness.store.now += 10_000;
      await Promise.all(
        holders.map((holder, n) => broker.release("a", { holder, key: `n${n}`, keep: true })),
      );
      expect((await broker.roster("a")).named).toBe(1000);
    });

    test("of one network that fill all places cost nobody else a name", async () => {
      const { broker, heard } = await two();
      const hold = (key: string) =>
        broker.claim("a", {
          holder: holderOf(key),
          name: name(key),
          held: undefined,
          session: key,
        });
      const breakOff = (key: string, network?: string) =>
        broker.release("a", { holder: holderOf(key), key, keep: true, network });
      const holders = new Map<string, object>();
      const holderOf = (key: string) => holders.getOrInsertComputed(key, () => ({}));
      const many = Array.from({ length: 1100 }, (_, n) => `n${n}`);
      await Promise.all([hold("ann"), hold("bob"), ...many.map(hold)]);
      harness.store.now += 10_000;
      await breakOff("ann", "victim");
      await Promise.all(many.map((key) => breakOff(key, "attacker")));
      heard.length = 0;
      await breakOff("bob", "newcomer");
      expect(heard).toEqual([
        { is: "presence", channel: "a", change: { count: 2, left: ["n101"] } },
      ]);
      expect((await broker.roster("a")).names!.toSorted()).toEqual(
        ["ann", "bob", ...many.slice(102)].toSorted(),
      );
    });

    test("and counts, as told by changes, always match the roster", async () => {
      const step = fc.record({
        who: fc.nat(3),
        does: fc.constantFrom("claim", "case", "release", "break", "leave", "wait"),
        name: fc.constantFrom("x", "y", "z"),
        session: fc.constantFrom(undefined, "s", "t"),
      });
      const { broker, heard } = await harness.start();
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
              harness.store.now += 11_000;
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
}
