import { describe, expect, test } from "bun:test";
import { draft, type Harness, messages, name, RULES, START } from "./port.ts";

const HOUR = 3_600_000;
export const YEAR = 365 * 24 * HOUR;

export function clockContract(harness: Harness): void {
  describe(`${harness.kind}: a date that was wrong`, () => {
    test("by a year: timestamps are right once it is corrected, and ids still rise", async () => {
      const { broker, ...node } = await harness.start();
      await broker.join("a");
      harness.store.skew = YEAR;
      const ahead = (await broker.publish("a", draft("ahead"))) as number;
      harness.store.skew = 0;
      expect(await broker.publish("a", draft("corrected"))).toBe(ahead + 1);
      const heard = messages({ broker, ...node });
      expect(heard.map(({ timestamp }) => timestamp)).toEqual([
        (START + YEAR) / 1000,
        START / 1000,
      ]);
      expect((await broker.history("a", { limit: 10 })).messages).toEqual(heard);

      await broker.leave("a");
      harness.store.now += RULES.history.ttl + 1;
      await broker.renew();
      expect(await broker.join("new")).toBe(ahead + 1);
      await broker.publish("new", draft("in a new channel"));
      expect(messages({ broker, ...node }, "new")).toMatchObject([
        { id: ahead + 2, timestamp: Math.floor(harness.store.now / 1000) },
      ]);
    });

    test.each([-HOUR, HOUR])("and steps by %i ms: all waiting times end on time", async (skew) => {
      const { broker } = await harness.start();
      const { heldFor, grace } = RULES.names;
      const ann = {};
      await broker.join("a");
      await broker.claim("a", { holder: ann, name: name("ann"), held: undefined, session: "s" });
      const first = await broker.publish("a", draft("hi", "s", "1"));
      harness.store.now += heldFor;
      harness.store.skew = skew;
      await broker.release("a", { holder: ann, key: "ann", keep: true });
      await broker.leave("a");
      const after = async (ms: number) => {
        harness.store.now += ms;
        await broker.renew();
        const { messages: kept } = await broker.history("a", { limit: 10 });
        return [(await broker.roster("a")).named, kept.length];
      };
      expect(await after(grace - 1)).toEqual([1, 1]);
      expect(await after(1)).toEqual([0, 1]);
      expect(await after(RULES.history.ttl - grace - 1)).toEqual([0, 1]);
      expect(await after(2)).toEqual([0, 0]);

      harness.store.now = START + 10 * 60_000 - 1;
      expect(await broker.publish("a", draft("hi", "s", "1"))).toBe(first);
      harness.store.now += 1;
      expect(await broker.publish("a", draft("hi", "s", "1"))).not.toBe(first);
    });
  });
}
