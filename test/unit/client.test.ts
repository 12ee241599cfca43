import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { backoff } from "../../src/client/backoff.ts";
import { readBundle } from "../../src/http/bundle.ts";
import { Inbox } from "../../src/client/inbox.ts";
import { type Limits, paceOf } from "../../src/client/pace.ts";
import type { HistoryQuery } from "../../src/client/api.ts";
import { toPage } from "../../src/client/convert.ts";
import { askPage } from "../../src/client/pages.ts";
import type { Queue } from "../../src/client/requests.ts";
import { roster } from "../../src/client/roster.ts";
import { take, waitFor } from "../../src/protocol/bucket.ts";
import type { HistoryFrame, ServerFrame } from "../../src/protocol/outbound.ts";

describe("backoff", () => {
  test("doubles its range from 1 s to 30 s", () => {
    const most = [0, 1, 2, 3, 4, 5, 6].map((tries) => Math.round(backoff(tries, () => 1)));
    expect(most).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(backoff(9, () => 0)).toBe(100);
  });

  test("stays in its range after any number of attempts", () => {
    const number = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(5000), number, (tries, random) => {
        const wait = backoff(tries, () => random);
        expect(wait).toBeGreaterThanOrEqual(100);
        expect(wait).toBeLessThanOrEqual(30_000);
      }),
    );
  });
});

describe("pace", () => {
  /** When each of so many frames would go out, in milliseconds. */
  function times(limits: Limits, frames: number): number[] {
    const found: number[] = [];
    let now = 0;
    let fullAt = 0;
    const pace = paceOf(limits);
    while (found.length < frames) {
      now += waitFor(pace, fullAt, now);
      fullAt = take(pace, fullAt, now);
      if (fullAt !== -1) found.push(now);
    }
    return found;
  }

  test("sends a burst at once, then one frame after the other", () => {
    const [first, ...others] = times({ rate: 10, burst: 10 }, 20);
    expect(first).toBe(0);
    expect(others.filter((time) => time === 0)).toHaveLength(7);
    expect(others.at(-1)).toBeCloseTo((12 * 1000) / 8.5);
  });

  test("has no limit if the server has none", () => {
    expect(times({ rate: 0, burst: 1 }, 1000).at(-1)).toBe(0);
  });

  test("never sends more than the server allows, over any span", () => {
    const limits = fc.record({
      rate: fc.double({ min: 0.5, max: 100, noNaN: true }),
      burst: fc.integer({ min: 1, max: 60 }),
    });
    fc.assert(
      fc.property(limits, ({ rate, burst }) => {
        const sent = times({ rate, burst }, 150);
        sent.forEach((start, at) => {
          const seconds = (sent.at(-1)! - start) / 1000;
          expect(sent.length - at).toBeLessThanOrEqual(burst + rate * seconds + 1e-6);
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe("the inbox", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom("post", "post", "post unheard", "post twice") },
      { weight: 3, arbitrary: fc.constant("answer") },
      { weight: 1, arbitrary: fc.constantFrom("connect", "forget") },
    ),
    { maxLength: 60 },
  );

  test.each([
    ["the next", { id: 9, prev: 5 }, [{ id: 9 }]],
    ["a duplicate", { id: 5, prev: 0 }, []],
    ["an older one", { id: 4, prev: 3 }, []],
    ["one after a gap", { id: 9, prev: 7 }, [{ gap: 5 }, { id: 9 }]],
  ])("follows the chain: %s", (_, message, expected) => {
    const told: unknown[] = [];
    const inbox = new Inbox({
      history: 0,
      after: undefined,
      ask: (_query, then) => then({ type: "history", messages: [], gap: "false", more: "false" }),
      onFirst: () => undefined,
      onMessage: ({ id }) => told.push({ id }),
      onGap: ({ after }) => told.push({ gap: after }),
    });
    inbox.enter(5);
    inbox.message({ ...message, text: "", user: "", timestamp: 0 });
    expect(told).toEqual(expected);
  });

  test("delivers each message once and in order, and reports every gap", () => {
    fc.assert(
      fc.property(steps, fc.nat(4), fc.integer({ min: 1, max: 8 }), (all, history, kept) => {
        const channel = serve(kept);
        const told: { id?: number; gap?: number }[] = [];
        let first: number | undefined;
        let answers: (() => void)[] = [];
        const inbox = new Inbox({
          history,
          after: undefined,
          ask: (query, then) => answers.push(() => then(channel.page(query))),
          onFirst: () => (first = inbox.last),
          onMessage: ({ id }) => told.push({ id: id! }),
          onGap: ({ after }) => told.push({ gap: after }),
        });
        const connect = () => {
          answers = [];
          inbox.enter(channel.last());
        };
        const settle = () => {
          for (let next = answers.shift(); next !== undefined; next = answers.shift()) next();
        };
        channel.post();
        connect();
        if (history === 0) first = channel.last();
        for (const step of all) {
          if (step === "connect") connect();
          else if (step === "forget") channel.forget();
          else if (step === "answer") answers.shift()?.();
          else {
            const message = channel.post();
            if (step !== "post unheard") inbox.message(message);
            if (step === "post twice") inbox.message(message);
          }
        }
        connect();
        settle();
        inbox.message(channel.post());
        settle();

        // Each is the next one of the channel, or a gap was reported before it.
        let last = first!;
        let gap = false;
        for (const { id, gap: after } of told) {
          if (after !== undefined) {
            // A gap can grow before anything comes after it.
            if (!gap) expect(after).toBe(last);
            gap = true;
          } else {
            expect(id).toBeGreaterThan(last);
            expect(channel.prev(id!) === last).toBe(!gap);
            last = id!;
            gap = false;
          }
        }
        expect(last).toBe(channel.last());
      }),
      { numRuns: 3000 },
    );
  });

  /** A channel that keeps so many messages and returns three per page. */
  function serve(kept: number) {
    const chain: { id: number; prev: number; text: string; user: string; timestamp: number }[] = [];
    let forgotten = 0;
    const last = () => chain.at(-1)?.id ?? 0;
    return {
      last,
      post() {
        const message = { id: last() + 2, prev: last(), text: "", user: "", timestamp: 0 };
        chain.push(message);
        return message;
      },
      forget: () => void (forgotten = chain.length),
      prev: (id: number) => chain.find((message) => message.id === id)?.prev,
      page({ after, limit }: { after?: number; limit: number }): HistoryFrame {
        const here = chain.slice(Math.max(forgotten, chain.length - kept));
        if (after === undefined) {
          return { type: "history", messages: here.slice(-limit), gap: "false", more: "false" };
        }
        const later = here.filter(({ id }) => id > after);
        const gap = later.length > 0 ? later[0]!.prev !== after : last() !== after;
        const messages = later.slice(0, 3);
        return { type: "history", messages, gap: `${gap}`, more: `${later.length > 3}` };
      },
    };
  }
});

describe("a page of history", () => {
  const message = { text: "x", user: "ann", timestamp: 0, prev: 0 };
  const chain = [1, 2, 3, 4, 5, 6].map((id) => ({ ...message, id, ...(id > 2 && { deletes: 1 }) }));

  /** The queries that are sent, two messages a page, and what comes of them. */
  function ask(query: HistoryQuery, gap: "true" | "false" = "false") {
    const asked: HistoryQuery[] = [];
    let answer: ServerFrame | undefined;
    const queue: Queue["ask"] = (frame, settle) => {
      const { type: _, ...next } = frame as HistoryQuery & { type: "history" };
      asked.push(next);
      if (asked.length > 5) throw new Error("This has no end.");
      const { before = Infinity, after } = next;
      const fits = chain.filter(({ id }) => id < before && id > (after ?? 0));
      const messages = after === undefined ? fits.slice(-2) : fits.slice(0, 2);
      const more = `${fits.length > messages.length}` as const;
      settle({ type: "history", messages, gap: asked.length === 1 ? gap : "false", more });
    };
    askPage(queue, query, (frame) => (answer = frame));
    const { messages, ...rest } = answer as ServerFrame & { type: "history" };
    return { asked, ids: messages.map(({ id }) => id), ...rest };
  }

  test("goes on while there are only removals", () => {
    expect(ask({ limit: 2 })).toMatchObject({
      asked: [{}, { before: 5 }, { before: 3 }],
      ids: [1, 2, 3, 4, 5, 6],
      more: "false",
    });
    expect(ask({ before: 4 })).toMatchObject({ asked: [{}], ids: [2, 3], more: "true" });
    expect(ask({ after: 2 }, "true")).toMatchObject({
      asked: [{}, { after: 4 }],
      ids: [3, 4, 5, 6],
      gap: "true",
      more: "false",
    });
  });

  test("has an unbroken chain without its removals", () => {
    const fields = [
      { ...message, id: 2, prev: 1 },
      { ...message, id: 3, prev: 2, deletes: 1 },
      { ...message, id: 4, prev: 3, deletes: 1 },
      { ...message, id: 5, prev: 4 },
      { ...message, id: 8, prev: 7 },
    ];
    const page = toPage({ type: "history", messages: fields, gap: "false", more: "false" });
    expect(page.messages.map(({ id, prev }) => [id, prev])).toEqual([
      [2, 1],
      [5, 2],
      [8, 7],
    ]);
  });

  test("does not go on around an id, after an empty page, or after an error", () => {
    expect(ask({ around: 6 }).asked).toHaveLength(1);
    const answers: ServerFrame[] = [
      { type: "history", messages: [], gap: "false", more: "true" },
      { type: "error", code: "busy", message: "" },
    ];
    for (const answer of answers) {
      const settled: ServerFrame[] = [];
      askPage(
        (_, settle) => settle(answer),
        {},
        (frame) => settled.push(frame),
      );
      expect(settled).toEqual([answer]);
    }
  });
});

describe("roster", () => {
  const known = { count: 3, names: ["ann", "bob"] };

  test("starts from the full roster", () => {
    expect(roster(undefined, known)).toEqual(known);
  });

  test("applies changes", () => {
    const frame = { count: 4, joined: ["cat", "Bob"], left: ["bob"] };
    expect(roster(known, frame)).toEqual({ count: 4, names: ["ann", "cat", "Bob"] });
    expect(roster(known, { count: 9, joined: [], left: [] })).toEqual({
      count: 9,
      names: ["ann", "bob"],
    });
  });

  test("has no names while there are too many, until the full roster arrives again", () => {
    expect(roster(known, { count: 2000 })).toEqual({ count: 2000, names: undefined });
    const unknown = { count: 2000, names: undefined };
    expect(roster(unknown, { count: 1, joined: ["x"], left: [] })).toEqual({
      count: 1,
      names: undefined,
    });
    expect(roster(unknown, known)).toEqual(known);
  });
});

describe("the bundle", () => {
  test("is one module of at most 5 KB gzipped, without the server's checks", () => {
    const bundle = readBundle();
    expect(gzipSync(bundle, { level: 9 }).byteLength).toBeLessThanOrEqual(5 * 1024);
    expect(bundle).not.toContain("import");
    expect(bundle).not.toMatch(/typebox/i);
    expect(bundle).toMatch(/export\s*\{\w+ as connect\}/);
  });
});
