import { describe, expect, test } from "bun:test";
import { draft, type Harness, messages, START } from "./port.ts";

export function messagesContract(harness: Harness): void {
  describe(`${harness.kind}: messages`, () => {
    test("have rising ids that name the one before, even when the clock steps back", async () => {
      const { broker, ...node } = await harness.start();
      expect(await broker.join("a")).toBe(0);
      const ids: unknown[] = [];
      for (const step of [0, 0, 5, -60_000, 0, 120_000]) {
        harness.store.skew += step;
        ids.push(await broker.publish("a", draft("hi")));
      }
      const first = START * 1000;
      expect(ids).toEqual([
        first,
        first + 1,
        first + 5000,
        first + 5001,
        first + 5002,
        first + 60_005_000,
      ]);
      const heard = messages({ broker, ...node });
      expect(heard.map(({ id }) => id)).toEqual(ids as number[]);
      expect(heard.map(({ prev }) => prev)).toEqual([0, ...(ids.slice(0, -1) as number[])]);
      expect(heard[0]).toEqual({
        id: first,
        prev: 0,
        timestamp: START / 1000,
        text: '"hi"',
        user: '"ann"',
      });
      expect(Math.max(...(ids as number[]))).toBeLessThan(2 ** 53);
      expect(await broker.join("a")).toBe(ids.at(-1) as number);
    });

    test("keep their order when nobody waits for an answer, and reach every node once", async () => {
      const { broker } = await harness.start();
      const other = harness.store.node();
      await broker.join("a");
      await other.broker.join("a");
      await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          (n % 3 === 0 ? other.broker : broker).publish("a", draft(`${n}`)),
        ),
      );
      await other.broker.roster("a");
      const texts = messages(other).map(({ text }) => Number(JSON.parse(text)));
      expect(texts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
      expect(texts.filter((n) => n % 3 === 0)).toEqual(
        texts.filter((n) => n % 3 === 0).toSorted((a, b) => a - b),
      );
      const prevs = messages(other).map(({ prev }) => prev);
      expect(prevs.slice(1)).toEqual(
        messages(other)
          .map(({ id }) => id)
          .slice(0, -1),
      );
    });

    test("stay in their channel", async () => {
      const { broker, ...node } = await harness.start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("for a"));
      expect(messages({ broker, ...node }, "b")).toEqual([]);
      const page = await broker.history("b", { limit: 10 });
      expect(page).toEqual({ messages: [], gap: false, more: false });
    });
  });

  describe(`${harness.kind}: refs`, () => {
    test("the same session, ref and text is posted once and answered with its first id", async () => {
      const { broker, ...node } = await harness.start();
      await broker.join("a");
      const together = await Promise.all([
        broker.publish("a", draft("hi", "s", "1")),
        broker.publish("a", draft("hi", "s", "1")),
      ]);
      expect(new Set(together).size).toBe(1);
      harness.store.now += 9 * 60_000;
      expect(await broker.publish("a", draft("hi", "s", "1"))).toBe(together[0]);
      expect(messages({ broker, ...node }).length).toBe(1);
    });

    test("a different text under the same ref is refused", async () => {
      const { broker, ...node } = await harness.start();
      await broker.join("a");
      await broker.publish("a", draft("hi", "s", "1"));
      expect(await broker.publish("a", draft("ho", "s", "1"))).toBe("ref_reused");
      expect(messages({ broker, ...node }).length).toBe(1);
    });

    test("a text with the same 32-bit hash is another one", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      const texts = ["97492", "213138"] as const;
      const [hash, other] = texts.map((text) => Bun.hash.xxHash32(JSON.stringify(text)));
      expect(hash).toBe(other!);
      await broker.publish("a", draft(texts[0], "s", "1"));
      expect(await broker.publish("a", draft(texts[1], "s", "1"))).toBe("ref_reused");
    });

    test("a different session, a different channel and no ref are posts of their own", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      await broker.join("b");
      await broker.publish("a", draft("hi", "s", "1"));
      const ids = [
        await broker.publish("a", draft("hi", "t", "1")),
        await broker.publish("b", draft("hi", "s", "1")),
        await broker.publish("a", draft("hi", "s")),
        await broker.publish("a", draft("hi")),
      ];
      for (const id of ids) expect(id).toBeNumber();
      expect((await broker.history("a", { limit: 10 })).messages.length).toBe(4);
    });

    test("are remembered for 10 minutes", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      const first = await broker.publish("a", draft("hi", "s", "1"));
      harness.store.now += 10 * 60_000 + 1;
      await broker.renew();
      expect(await broker.publish("a", draft("hi", "s", "1"))).not.toBe(first);
    });

    test("outlive 1,000 others of the same session", async () => {
      const { broker } = await harness.start();
      await broker.join("a");
      const ids = await Promise.all(
        Array.from({ length: 1001 }, (_, n) => broker.publish("a", draft("hi", "s", `${n}`))),
      );
      expect(await broker.publish("a", draft("hi", "s", "0"))).toBe(ids[0]!);
    });
  });
}
