import { describe, expect, test } from "bun:test";
import { REMOVED } from "../../src/protocol/encode.ts";
import { type AskedBroker, draft, type Harness, messages, RULES } from "./port.ts";

export function removalContract(harness: Harness): void {
  /** A store with three messages, of which `removal` names the second. */
  async function three(session = "s", ref?: string) {
    const { broker, ...node } = await harness.start();
    await broker.join("a");
    const ids: number[] = [];
    for (const text of ["one", "two", "three"]) {
      ids.push((await broker.publish("a", draft(text, "s"))) as number);
    }
    const removal = { holder: {}, session, id: ids[1]!, ref };
    return { broker, ids, removal, heard: () => messages({ broker, ...node }) };
  }

  const newest = async (broker: AskedBroker) => (await broker.history("a", { limit: 10 })).messages;

  describe(`${harness.kind}: removing`, () => {
    test("is an entry of the chain, and the message keeps its place without its text", async () => {
      const { broker, ids, removal, heard } = await three();
      const id = await broker.remove("a", removal);
      const entry = { id, prev: ids[2], text: REMOVED, user: '"ann"', deletes: ids[1] };
      expect<unknown>(heard().at(-1)).toMatchObject(entry);
      const after = await broker.publish("a", draft("four", "s"));
      const found = await newest(broker);
      expect(found.map(({ text }) => text)).toEqual([
        '"one"',
        REMOVED,
        '"three"',
        REMOVED,
        '"four"',
      ]);
      expect<unknown>(found.map((one) => one.id)).toEqual([...ids, id, after]);
      expect(found.map(({ prev }) => prev)).toEqual([
        0,
        ...found.slice(0, -1).map((one) => one.id),
      ]);
      expect(found.map(({ deletes }) => deletes)).toEqual([
        ...Array.from({ length: 3 }, () => undefined),
        ids[1],
        undefined,
      ]);
    });

    test("is for the session that posted the message, and for no message without one", async () => {
      const { broker, removal } = await three("another");
      expect(await broker.remove("a", removal)).toBe("forbidden");
      const id = (await broker.publish("a", draft("plain"))) as number;
      expect(await broker.remove("a", { ...removal, id })).toBe("forbidden");
      expect((await newest(broker)).map(({ text }) => text)).not.toContain(REMOVED);
    });

    test("does not find what was never posted, another channel's, or is no longer kept", async () => {
      const { broker, ids, removal } = await three();
      expect(await broker.remove("a", { ...removal, id: ids[2]! + 1 })).toBe("not_found");
      expect(await broker.remove("b", removal)).toBe("not_found");
      for (let n = 0; n < RULES.history.limit; n++) await broker.publish("a", draft(`${n}`, "s"));
      expect(await broker.remove("a", removal)).toBe("not_found");
    });

    test("twice does not find it, and a removal cannot be removed", async () => {
      const { broker, removal, heard } = await three();
      const id = (await broker.remove("a", removal)) as number;
      expect(await broker.remove("a", removal)).toBe("not_found");
      expect(await broker.remove("a", { ...removal, id })).toBe("not_found");
      expect(heard().length).toBe(4);
    });

    test("twice at once makes one entry", async () => {
      const { broker, removal, heard } = await three();
      const answers = await Promise.all([1, 2, 3].map(() => broker.remove("a", removal)));
      expect<unknown>(answers).toEqual([heard().at(-1)!.id, "not_found", "not_found"]);
      expect(heard().length).toBe(4);
    });

    test("with the same ref again gets the same answer, at once or later", async () => {
      const { broker, ids, removal, heard } = await three("s", "r");
      const both = await Promise.all([1, 2].map(() => broker.remove("a", removal)));
      both.push(await broker.remove("a", removal));
      expect(new Set<unknown>(both)).toEqual(new Set([heard().at(-1)!.id]));
      expect(heard().length).toBe(4);
      expect(await broker.remove("a", { ...removal, id: ids[0]! })).toBe("ref_reused");
      expect(await broker.publish("a", draft("two", "s", "r"))).toBe("ref_reused");
      expect((await broker.search("a", { query: "one", limit: 5 })).messages.length).toBe(1);
    });

    test("is behind what was posted before it, and before what comes after it", async () => {
      const { broker, ids, removal, heard } = await three();
      const before = broker.publish("a", draft("before", "s"));
      const removed = broker.remove("a", removal);
      const after = broker.publish("a", draft("after", "s"));
      const answers = await Promise.all([before, removed, after]);
      expect<unknown>(heard().map(({ id }) => id)).toEqual([...ids, ...answers]);
    });
  });
}
