import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { finds, searchOf } from "../../src/broker/words.ts";
import { REMOVED } from "../../src/protocol/encode.ts";
import { draft, type Harness, messages, RULES } from "./port.ts";

const WORDS = [
  "tea",
  "Tee",
  "téa",
  "teapot",
  "don't",
  "東京都",
  "東京",
  "ไทย",
  "a_b",
  "42",
  "@x",
  '"',
  "*",
];
const USERS = ["ann", "Ann", "bob smith", "ann*", "x\ud800"];
const word = fc.constantFrom(...WORDS);
const said = fc.record({
  text: fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(" ")),
  user: fc.constantFrom(...USERS),
  channel: fc.constantFrom("a", "b"),
  removed: fc.nat(4).map((n) => n === 0),
});
const term = fc.oneof(
  word,
  word.map((one) => `${one}*`),
  word.map((one) => `${one.slice(0, 2)}*`),
  fc.tuple(word, word).map((two) => `"${two.join(" ")}"`),
  fc.constantFrom(...USERS).map((user) => `from:"${user}"`),
  fc.string({ maxLength: 12, unit: "binary" }),
  fc.constantFrom("OR", "NOT tea", "NEAR(tea 42)", "entry:tea", "- tea", "tea^", "(", "{a b}: x"),
);
const asked = fc.record({
  query: fc.array(term, { maxLength: 3 }).map((terms) => terms.join(" ").slice(0, 200)),
  limit: fc.integer({ min: 1, max: 12 }),
  at: fc.option(fc.nat(100), { nil: undefined }),
});

export function searchContract(harness: Harness): void {
  describe(`${harness.kind}: search`, () => {
    test("finds what a model finds, the newest first, whatever anybody types", async () => {
      const history = { ...RULES.history, limit: 25 };
      const many = fc.array(said, { minLength: 1, maxLength: 40 });
      const queries = fc.array(asked, { minLength: 20, maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(many, queries, async (all, asks) => {
          const { broker, ...node } = await harness.start({ history });
          const ids = await Promise.all(
            all.map(({ channel, text, user }) =>
              broker.publish(channel, { ...draft(text, "s"), user: JSON.stringify(user) }),
            ),
          );
          for (const [n, { channel, removed }] of all.entries()) {
            const id = ids[n] as number;
            if (removed) await broker.remove(channel, { holder: {}, session: "s", id });
          }
          const told = messages({ broker, ...node });
          const gone = new Set(told.map(({ deletes }) => deletes));
          const kept = told.slice(-history.limit).filter(({ id }) => !gone.has(id));
          for (const { query, limit, at } of asks) {
            const before = at === undefined ? undefined : (told.at(-1 - at)?.id ?? 0);
            const wanted = searchOf(query);
            const hits = kept
              .filter((one) => one.text !== REMOVED && finds(wanted, one))
              .filter(({ id }) => id < (before ?? Infinity))
              .toReversed();
            const nothing = wanted.phrases.length === 0 && wanted.from === undefined;
            const found = nothing ? [] : hits;
            expect([query, await broker.search("a", { query, limit, before })]).toEqual([
              query,
              { messages: found.slice(0, limit), more: found.length > limit },
            ]);
          }
        }),
        { numRuns: 15 },
      );
    }, 60_000);

    test("shows no text whose removal is told", async () => {
      const { broker, ...node } = await harness.start();
      const ids = await Promise.all(
        Array.from({ length: 30 }, () => broker.publish("a", draft("tea", "s"))),
      );
      const answers = ids.map(async (id, n) => {
        const removed = broker.remove("a", { holder: {}, session: "s", id: id as number });
        const query = { query: "tea", limit: 50 };
        const wrong = Promise.withResolvers<number[]>();
        broker.raw.search("a", query, (found) => {
          const gone = new Set(messages({ broker, ...node }).map(({ deletes }) => deletes));
          wrong.resolve(found!.messages.map((one) => one.id).filter((one) => gone.has(one)));
        });
        if (n % 5 === 0) await Bun.sleep(1);
        expect(await removed).toBeNumber();
        return wrong.promise;
      });
      expect((await Promise.all(answers)).flat()).toEqual([]);
    });
  });
}
