import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { draft, type Harness, messages, RULES } from "./port.ts";

export function historyContract(harness: Harness): void {
  // A database keeps what memory has no room for.
  const inMemory = harness.kind !== "sqlite";
  describe(`${harness.kind}: history`, () => {
    /** Ten messages, of which the last `limit` are kept. */
    async function ten(limit: number) {
      const { broker } = await harness.start({ history: { ...RULES.history, limit } });
      await broker.join("a");
      const ids: number[] = [];
      for (let n = 0; n < 10; n++) ids.push((await broker.publish("a", draft(`${n}`))) as number);
      const ask = async (query: { after?: number; before?: number; limit?: number }) => {
        const { messages: found, gap, more } = await broker.history("a", { limit: 50, ...query });
        return { texts: found.map(({ text }) => JSON.parse(text)).join(""), gap, more };
      };
      return { ids, ask };
    }

    test("returns the newest, those after an id and those before an id, oldest first", async () => {
      const { ids, ask } = await ten(100);
      expect(await ask({})).toEqual({ texts: "0123456789", gap: false, more: false });
      expect(await ask({ limit: 3 })).toEqual({ texts: "789", gap: false, more: true });
      expect(await ask({ after: ids[6]! })).toEqual({ texts: "789", gap: false, more: false });
      expect(await ask({ after: ids[3]!, limit: 2 })).toEqual({
        texts: "45",
        gap: false,
        more: true,
      });
      expect(await ask({ after: ids[9]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ before: ids[7]!, limit: 2 })).toEqual({
        texts: "56",
        gap: false,
        more: true,
      });
      expect(await ask({ before: ids[2]! })).toEqual({ texts: "01", gap: false, more: false });
      expect(await ask({ before: ids[0]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: 0 })).toEqual({ texts: "0123456789", gap: false, more: false });
    });

    test("reports a gap after an id beyond the last, one never given, and one whose successor is gone", async () => {
      const { ids, ask } = await ten(4);
      expect(await ask({ after: ids[9]! + 1 })).toEqual({ texts: "", gap: true, more: false });
      expect(await ask({ after: ids[7]! - 0.5 })).toMatchObject({ gap: true });
      expect(await ask({ after: ids[4]! })).toEqual({ texts: "6789", gap: true, more: false });
      expect(await ask({ after: ids[5]! })).toEqual({ texts: "6789", gap: false, more: false });
      expect(await ask({ after: 0 })).toEqual({ texts: "6789", gap: true, more: false });
    });

    test("with a limit of 0, reports a gap unless the client has the last id", async () => {
      const { ids, ask } = await ten(0);
      expect(await ask({})).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: ids[9]! })).toEqual({ texts: "", gap: false, more: false });
      expect(await ask({ after: ids[8]! })).toEqual({ texts: "", gap: true, more: false });
    });

    test("paging from anywhere in steps of any size returns every later message once", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      const ids: number[] = [];
      for (let n = 0; n < 60; n++) ids.push((await broker.publish("a", draft("x"))) as number);
      await fc.assert(
        fc.asyncProperty(fc.nat(59), fc.integer({ min: 1, max: 70 }), async (from, limit) => {
          const found: number[] = [];
          let after = ids[from]!;
          for (let more = true; more;) {
            const page = await broker.history("a", { after, limit });
            expect(page.gap).toBe(false);
            found.push(...page.messages.map(({ id }) => id));
            after = found.at(-1) ?? after;
            more = page.more;
          }
          expect(found).toEqual(ids.slice(from + 1));
        }),
        { numRuns: 30 },
      );
    });

    test("of an empty channel expires, and its chain does not continue unbroken", async () => {
      const { broker, ...node } = await harness.start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("old"));
      const last = (await broker.publish("b", draft("later"))) as number;
      await broker.leave("a");
      await broker.leave("b");
      harness.store.now += 59_999;
      await broker.renew();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(1);
      harness.store.now += 2;
      await broker.renew();
      expect(await broker.join("a")).toBe(last);
      expect((await broker.history("a", { limit: 10 })).messages).toEqual([]);
      await broker.publish("a", draft("new"));
      expect(messages({ broker, ...node }).at(-1)?.prev).toBe(last);
    });

    test("of a silent channel has no gap after another channel expired meanwhile", async () => {
      const { broker } = await harness.start();
      await broker.join("loud");
      await broker.publish("loud", draft("hi"));
      await broker.leave("loud");
      harness.store.now += 40_000;
      const last = await broker.join("a");
      await broker.leave("a");
      harness.store.now += 20_001;
      await broker.renew();
      expect(await broker.join("a")).toBe(last);
      expect((await broker.history("a", { after: last, limit: 10 })).gap).toBe(false);
    });

    test("of a channel with somebody in it does not expire", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      await broker.publish("a", draft("old"));
      harness.store.now += 3_600_000;
      await broker.renew();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(1);
    });

    if (inMemory) {
      test("stays within its memory: the largest channels give their oldest messages", async () => {
        const { broker } = await harness.start({
          history: { limit: 1000, ttl: 60_000, memory: 20_000 },
        });
        for (const channel of ["a", "b"]) await broker.join(channel);
        const big = "x".repeat(1000);
        for (let n = 0; n < 3; n++) await broker.publish("a", draft(big));
        for (let n = 0; n < 30; n++) await broker.publish("b", draft(big));
        const page = (channel: string) => broker.history(channel, { after: 0, limit: 100 });
        const [a, b] = [await page("a"), await page("b")];
        expect(a).toMatchObject({ gap: false, messages: { length: 3 } });
        expect(b.gap).toBe(true);
        expect(b.messages.length).toBeWithin(4, 15);
      });
    }

    if (inMemory) {
      test("counts the memory of channel ids", async () => {
        async function kept(length: number): Promise<number> {
          const { broker } = await harness.start({
            history: { limit: 10, ttl: 60_000, memory: 50_000 },
          });
          const channels = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(length, "ж"));
          let count = 0;
          for (const channel of channels) {
            await broker.join(channel);
            await broker.publish(channel, draft("x"));
          }
          for (const channel of channels) {
            count += (await broker.history(channel, { limit: 1 })).messages.length;
          }
          return count;
        }
        const [short, long] = [await kept(3), await kept(256)];
        expect(long).toBeLessThan(short * 0.6);
      });
    }
  });
}
