import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Broker } from "../../src/broker/broker.ts";
import { draft, type Harness, type Heard, name } from "./port.ts";

export function orderContract(harness: Harness): void {
  describe(`${harness.kind}: one order`, () => {
    test("an answer comes after the events that it takes into account, and before all others", async () => {
      const step = fc.record({
        who: fc.nat(3),
        does: fc.constantFrom("join", "leave", "say", "claim", "release", "roster", "history"),
        wait: fc.boolean(),
      });
      await harness.start();
      const nodes = [harness.store.node(), harness.store.node()] as const;
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const channel = `order-${round++}`;
          const views = nodes.map(({ broker: { raw }, heard }) => new View(raw, heard, channel));
          for (const { who, does, wait } of steps) {
            views[who % 2]![does](who);
            if (wait) await Bun.sleep(0);
          }
          await Promise.all(views.map((view) => view.settled()));
          for (const view of views) view.check();
        }),
        { numRuns: 40 },
      );
    });
  });
}

/**
 * What one node knows of a channel by the events that it has heard, which every answer must agree
 * with at the moment when it comes.
 */
class View {
  readonly #broker: Broker;
  readonly #heard: Heard[];
  readonly #channel: string;
  readonly #faults: string[] = [];
  readonly #here = new Set<number>();
  readonly #named = new Set<number>();
  readonly #holders = [{}, {}, {}, {}];
  readonly #start: number;
  #open = 0;
  #joined = false;

  constructor(broker: Broker, heard: Heard[], channel: string) {
    this.#broker = broker;
    this.#heard = heard;
    this.#channel = channel;
    this.#start = heard.length;
  }

  join(who: number): void {
    if (this.#here.has(who)) return;
    this.#here.add(who);
    this.#ask((done) =>
      this.#broker.join(this.#channel, (last) => {
        // Only who was there from the start has heard every message.
        if (this.#joined) this.#expect("the last id", last, this.#picture().last ?? last);
        this.#joined = true;
        done();
      }),
    );
  }

  leave(who: number): void {
    // One stays, so that this node goes on hearing of the channel.
    if (this.#here.size < 2 || !this.#here.delete(who)) return;
    this.release(who);
    this.#broker.leave(this.#channel);
  }

  say(who: number): void {
    if (!this.#here.has(who)) return;
    const before = this.#ids();
    this.#ask((done) =>
      this.#broker.publish(this.#channel, { ...draft("hi"), holder: this.#holders[who]! }, (id) => {
        if (before.includes(id as number))
          this.#faults.push(`${id} was heard before it was posted`);
        if (!this.#ids().includes(id as number)) this.#faults.push(`${id} is not heard yet`);
        done();
      }),
    );
  }

  claim(who: number): void {
    if (!this.#here.has(who) || this.#named.has(who)) return;
    this.#named.add(who);
    const claim = {
      holder: this.#holders[who]!,
      name: name(`n${who}`),
      held: undefined,
      session: undefined,
    };
    this.#ask((done) =>
      this.#broker.claim(this.#channel, claim, (granted) => {
        this.#expect("granted", granted, true);
        this.#expect("heard of", this.#picture().names.has(`n${who}`), true);
        done();
      }),
    );
  }

  release(who: number): void {
    if (!this.#named.delete(who)) return;
    const release = { holder: this.#holders[who]!, key: `n${who}`, keep: false };
    this.#ask((done) =>
      this.#broker.release(this.#channel, release, () => {
        const again = this.#named.has(who);
        if (!again) this.#expect("heard of", this.#picture().names.has(`n${who}`), false);
        done();
      }),
    );
  }

  roster(): void {
    this.#ask((done) =>
      this.#broker.roster(this.#channel, ({ count, names }) => {
        const picture = this.#picture();
        this.#expect("count", count, picture.count);
        this.#expect("names", [...(names ?? [])].toSorted(), [...picture.names].toSorted());
        done();
      }),
    );
  }

  history(): void {
    this.#ask((done) =>
      this.#broker.history(this.#channel, { limit: 100 }, (page) => {
        const found = page?.messages ?? [];
        const { last } = this.#picture();
        if (last !== undefined) this.#expect("the newest", found.at(-1)?.id, last);
        done();
      }),
    );
  }

  /** Resolves once all that was asked has its answer, and everybody has left. */
  async settled(): Promise<void> {
    while (this.#open > 0) await Bun.sleep(1);
    for (const who of this.#here) {
      this.release(who);
      this.#broker.leave(this.#channel);
    }
    while (this.#open > 0) await Bun.sleep(1);
  }

  check(): void {
    const ids = this.#ids();
    expect(this.#faults).toEqual([]);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
  }

  #ask(ask: (done: () => void) => void): void {
    this.#open++;
    ask(() => this.#open--);
  }

  #ids(): number[] {
    return this.#events().flatMap((one) => (one.is === "message" ? one.message.id : []));
  }

  #events(): Heard[] {
    return this.#heard.slice(this.#start).filter(({ channel }) => channel === this.#channel);
  }

  #picture() {
    const names = new Set<string>();
    let count = 0;
    let last: number | undefined;
    for (const one of this.#events()) {
      if (one.is === "message") last = one.message.id;
      if (one.is !== "presence") continue;
      ({ count } = one.change);
      for (const left of one.change.left ?? []) names.delete(left);
      if (one.change.joined !== undefined) names.add(one.change.joined);
    }
    return { names, count, last };
  }

  #expect(what: string, got: unknown, wanted: unknown): void {
    if (JSON.stringify(got) === JSON.stringify(wanted)) return;
    this.#faults.push(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
  }
}
