import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Message, type Page, REMOVED } from "../../src/protocol/encode.ts";
import type { HistoryQuery } from "../../src/broker/broker.ts";
import type { AskedBroker, Harness } from "./port.ts";
import { draft, messages, RULES } from "./port.ts";

/** Pages of history are those of a model, wherever the messages come from: memory, file, or both. */
export function pagesContract(harness: Harness): void {
  /** A database has so little memory that it drops nearly all of it all the time. */
  const memoryOf = (bytes: number) => (harness.kind === "sqlite" ? bytes : 100_000_000);

  describe(`${harness.kind}: pages`, () => {
    test("are those of a model, whatever was posted and removed", async () => {
      await fc.assert(
        fc.asyncProperty(RULE, fc.array(STEP, { maxLength: 30 }), async (rule, steps) => {
          const history = { ...RULES.history, limit: rule.limit, memory: memoryOf(rule.memory) };
          const { broker, ...node } = await harness.start({ history });
          const models = ["a", "b", "c"].map((channel) => {
            return new Model(channel, rule.limit, () => messages({ broker, ...node }, channel));
          });
          await post(broker, "a", rule.posted);
          for (const step of steps) await models[step.channel]!.take(broker, step);
        }),
        { numRuns: 30 },
      );
    }, 60_000);

    test("show what is told until then, and no text whose removal is told", async () => {
      const memory = memoryOf(3_000);
      const { broker, ...node } = await harness.start({ history: { ...HISTORY, memory } });
      const heard = () => messages({ broker, ...node });
      await broker.join("a");
      await broker.join("b");
      await post(broker, "a", 300);
      const step = fc.record({
        does: fc.constantFrom("post", "remove", "ask", "elsewhere", "wait"),
        at: fc.nat(299),
        limit: fc.integer({ min: 1, max: 60 }),
        kind: fc.constantFrom("after", "before", "around", "newest"),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const faults: string[] = [];
          const answered: Promise<unknown>[] = [];
          for (const { does, at, limit, kind } of steps) {
            const { id } = heard().at(-1 - at)!;
            if (does === "post") answered.push(post(broker, "a", 1 + (at % 5)));
            if (does === "elsewhere") answered.push(post(broker, "b", 20));
            if (does === "wait") await Bun.sleep(0);
            if (does === "remove") {
              answered.push(broker.remove("a", { holder: {}, session: "s", id }));
            }
            if (does !== "ask") continue;
            const query = kind === "newest" ? { limit } : { [kind]: id, limit };
            const { promise, resolve } = Promise.withResolvers<void>();
            broker.raw.history("a", query, (page) => {
              faults.push(...faultsOf(page!, query, heard()));
              resolve();
            });
            answered.push(promise);
          }
          await Promise.all(answered);
          expect(faults).toEqual([]);
        }),
        { numRuns: 40 },
      );
    }, 60_000);

    test("come although memory keeps nothing", async () => {
      const { broker, ...node } = await harness.start({
        history: { ...HISTORY, memory: memoryOf(0) },
      });
      await post(broker, "a", 500);
      const all = messages({ broker, ...node });
      expect((await broker.history("a", { limit: 10 })).messages).toEqual(all.slice(-10));
      const { messages: old } = await broker.history("a", { before: all[20]!.id, limit: 10 });
      expect(old).toEqual(all.slice(10, 20));
    });
  });
}

const HISTORY = { ...RULES.history, limit: 1000 };

const RULE = fc.record({
  limit: fc.constantFrom(0, 1, 7, 100, 250, 1000),
  memory: fc.constantFrom(0, 4_000, 60_000, 10_000_000),
  posted: fc.constantFrom(0, 120, 260, 500),
});

const STEP = fc.record({
  channel: fc.nat(2),
  does: fc.constantFrom("post", "post", "remove", "join", "leave", "page", "page", "page"),
  count: fc.constantFrom(1, 2, 5, 90),
  at: fc.nat(400),
  beside: fc.constantFrom(-1, 0, 0, 0, 1),
  kind: fc.constantFrom("after", "before", "around", "newest"),
  limit: fc.constantFrom(1, 2, 3, 20, 50, 100, 200),
});

type Step = typeof STEP extends fc.Arbitrary<infer S> ? S : never;

async function post(broker: AskedBroker, channel: string, count: number): Promise<void> {
  const texts = Array.from({ length: count }, (_, n) => draft(`text ${n}`, "s"));
  await Promise.all(texts.map((text) => broker.publish(channel, text)));
}

/** One channel, as it was told. */
class Model {
  readonly #channel: string;
  readonly #limit: number;
  readonly #heard: () => Message[];
  #members = 0;

  constructor(channel: string, limit: number, heard: () => Message[]) {
    this.#channel = channel;
    this.#limit = limit;
    this.#heard = heard;
  }

  async take(broker: AskedBroker, step: Step): Promise<void> {
    const channel = this.#channel;
    const { does, count, at, beside, kind, limit } = step;
    const all = this.#heard();
    const id = (all.at(-1 - (at % Math.max(1, all.length)))?.id ?? 0) + beside;
    if (does === "join") this.#members++;
    if (does === "join") expect(await broker.join(channel)).toBe(all.at(-1)?.id ?? 0);
    if (does === "leave" && this.#members > 0) {
      this.#members--;
      await broker.leave(channel);
    }
    if (does === "post") await post(broker, channel, count);
    if (does === "remove") {
      const kept = this.#kept().find((message) => message.id === id);
      const answer = await broker.remove(channel, { holder: {}, session: "s", id });
      if (kept === undefined || kept.text === REMOVED) expect(answer).toBe("not_found");
      else expect(answer).toBe(this.#heard().at(-1)!.id);
    }
    if (does !== "page") return;
    const query = kind === "newest" ? { limit } : { [kind]: id, limit };
    expect(await broker.history(channel, query)).toEqual(this.#page(query));
  }

  #kept(): Message[] {
    const all = this.#heard();
    const removed = new Set(all.map(({ deletes }) => deletes));
    const kept = this.#limit === 0 ? [] : all.slice(-this.#limit);
    return kept.map((one) => (removed.has(one.id) ? { ...one, text: REMOVED } : one));
  }

  #page({ after, before = Infinity, around, limit }: HistoryQuery): Page {
    const kept = this.#kept();
    if (around !== undefined) {
      const older = this.#page({ before: around + 1, limit: Math.ceil(limit / 2) });
      const newer = this.#page({ after: around, limit: limit - older.messages.length });
      const found = [...older.messages, ...newer.messages];
      const sides = { before: older.more, after: newer.more };
      return { messages: found, gap: false, more: older.more || newer.more, ...sides };
    }
    if (after === undefined) {
      const older = kept.filter(({ id }) => id < before);
      return { messages: older.slice(-limit), gap: false, more: older.length > limit };
    }
    const newer = kept.filter(({ id }) => id > after);
    const gap = (newer[0]?.prev ?? this.#heard().at(-1)?.id ?? 0) !== after;
    return { messages: newer.slice(0, limit), gap, more: newer.length > limit };
  }
}

/** What is wrong with a page, at the moment when it comes. */
function faultsOf(page: Page, query: HistoryQuery, heard: readonly Message[]): string[] {
  const faults: string[] = [];
  const removed = new Set(heard.map(({ deletes }) => deletes));
  const known = new Map(heard.map((message) => [message.id, message]));
  for (const [n, { id, prev, text }] of page.messages.entries()) {
    if (!known.has(id)) faults.push(`${id} is not told yet`);
    if (n > 0 && prev !== page.messages[n - 1]!.id) faults.push(`a hole before ${id}`);
    if (removed.has(id) && text !== REMOVED) faults.push(`${id} was removed`);
  }
  const newest = query.after === undefined && query.before === undefined && !query.around;
  const last = page.messages.at(-1)?.id;
  if ((newest || (query.after && !page.more)) && (last ?? query.after) !== heard.at(-1)!.id) {
    faults.push(`ends with ${last}, and ${heard.at(-1)!.id} is told`);
  }
  if (query.around && !page.messages.some(({ id }) => id === query.around)) {
    faults.push(`${query.around} is missing`);
  }
  if (page.messages.length > query.limit) faults.push(`${page.messages.length} messages`);
  return faults;
}
