import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enter, V1 } from "../helpers/client.ts";
import { checkFrame } from "../helpers/frames.ts";
import { randomFrom } from "../helpers/random.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";
import { LONG } from "./attack.ts";

/**
 * The promise under faults: an acknowledged message reaches everyone once, in one order, or they
 * hear of a gap. Clients break off, come back, rename and remove what they said; the server is killed
 * and started again. The history is larger than what memory may hold of it.
 */

const folder = mkdtempSync(join(tmpdir(), "shoal-loss-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CLIENTS = 24;
const CHANNELS = 3;
const MESSAGES = 12_000;
const KILLS = 5;

interface Item {
  text: string;
  id: number;
  prev: number;
  deletes?: number;
}

/** The fields of all frames that the server sends. */
interface Frame extends Item {
  type: string;
  success: string;
  session: string;
  ref: string;
  code: string;
  messages: Item[];
  gap: string;
  more: string;
}

/** A correct client: it resumes after its last id, and sends again what was not acknowledged. */
class Member {
  readonly seen: Item[] = [];
  readonly acks = new Map<string, number>();
  gaps = 0;
  drops = 0;
  /** By ref: what was not acknowledged yet. */
  private readonly unsent = new Map<string, object>();
  /** The ids of what it posted and did not remove. */
  private readonly own: number[] = [];
  private socket: WebSocket | undefined;
  private session: string | undefined;
  private user: string;
  private live: Item[] | undefined;
  private posted = 0;
  private identified = false;
  private ended = false;

  readonly name: string;
  readonly channel: string;
  private readonly target: { ws: string };
  private readonly random: () => number;

  constructor(name: string, channel: string, target: { ws: string }, random: () => number) {
    this.name = name;
    this.channel = channel;
    this.target = target;
    this.random = random;
    this.user = name;
    this.connect();
  }

  get last(): number {
    return this.seen.at(-1)?.id ?? 0;
  }

  get idle(): boolean {
    return this.unsent.size === 0 && this.live === undefined && this.socket?.readyState === 1;
  }

  post(): void {
    const text = `${this.name}-${this.posted++}`;
    this.request({ type: "message", text, ref: text });
  }

  /** Removes something that it said. @returns whether there is something */
  remove(): boolean {
    const [id] = this.own.splice(Math.floor(this.random() * this.own.length), 1);
    if (id !== undefined) this.request({ type: "delete", id, ref: `delete ${id}` });
    return id !== undefined;
  }

  private request(frame: { type: string; ref: string; [field: string]: unknown }): void {
    this.unsent.set(frame.ref, frame);
    // Only once it has its session: in another one, the same ref would be another message.
    if (this.identified) this.say(frame);
  }

  rename(): void {
    this.user = `${this.name}-${Math.floor(this.random() * 1000)}`;
    // Not before it has its session on this connection: it would get another one.
    if (this.identified) this.say({ type: "identity", user: this.user });
  }

  drop(): void {
    this.drops++;
    this.socket?.terminate();
  }

  end(): void {
    this.ended = true;
    this.socket?.close();
  }

  private say(frame: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  private connect(): void {
    if (this.ended) return;
    const socket = new WebSocket(`${this.target.ws}/${this.channel}`, ["shoal.v1"]);
    this.socket = socket;
    // Live messages wait until the history is complete.
    this.live = [];
    this.identified = false;
    socket.onmessage = ({ data }) => {
      checkFrame(String(data), true);
      if (this.socket === socket) this.read(JSON.parse(String(data)) as Frame);
    };
    socket.onclose = () => {
      if (this.socket === socket) setTimeout(() => this.connect(), 5 + this.random() * 40);
    };
    socket.onerror = () => {};
  }

  private read(frame: Frame): void {
    switch (frame.type) {
      case "connection":
        this.say({ type: "identity", user: this.user, session: this.session });
        this.page();
        return;
      case "heartbeat":
        return this.say({ type: "heartbeat" });
      case "identity":
        if (frame.success === "false") {
          this.user = `${this.name}-${Math.floor(this.random() * 1e6)}`;
          return this.say({ type: "identity", user: this.user, session: this.session });
        }
        if (this.session === frame.session && this.acks.size > 0 && this.unsent.size === 0) return;
        this.session = frame.session;
        this.identified = true;
        for (const one of this.unsent.values()) this.say(one);
        return;
      case "ack": {
        const { ref } = frame;
        const before = this.acks.get(ref);
        if (before !== undefined && before !== frame.id) throw new Error(`${ref} has two ids`);
        this.acks.set(ref, frame.id);
        if (this.unsent.delete(ref) && !ref.startsWith("delete ")) this.own.push(frame.id);
        return;
      }
      case "message":
        if (this.live === undefined) this.take(frame);
        else this.live.push(frame);
        return;
      case "history":
        if (frame.gap === "true") this.gaps++;
        for (const item of frame.messages) this.take(item, frame.gap === "true");
        if (frame.more === "true") return this.page();
        for (const item of this.live ?? []) this.take(item);
        this.live = undefined;
        return;
      case "error":
        if (frame.code === "not_identified") return;
        throw new Error(`refused: ${JSON.stringify(frame)}`);
    }
  }

  private page(): void {
    this.say({ type: "history", after: this.last, limit: 200 });
  }

  private take(item: Item, gapTold = false): void {
    if (item.id <= this.last) return;
    if (this.seen.length > 0 && item.prev !== this.last && !gapTold) {
      throw new Error(
        `${this.name}: after ${this.last} came ${item.id}, whose prev is ${item.prev}`,
      );
    }
    this.seen.push(item);
    if (item.deletes === undefined) return;
    const removed = this.seen.find(({ id }) => id === item.deletes);
    if (removed !== undefined) removed.text = "";
  }
}

/**
 * Checks that the members of a channel saw the same messages, each once, with the acknowledged ids.
 *
 * @returns how many messages were acknowledged
 */
function checkChannel(members: readonly Member[]): number {
  const linesOf = ({ seen }: Member) => seen.map(lineOf);
  // The longest view. Every other one is an end of it, to the byte.
  const longest = members.toSorted((a, b) => b.seen.length - a.seen.length)[0]!;
  const lines = linesOf(longest);
  const items = new Map(longest.seen.map((item) => [item.id, item]));
  expect(items.size).toBe(lines.length);
  for (const member of members) {
    expect(member.gaps).toBe(0);
    expect(linesOf(member)).toEqual(lines.slice(lines.length - member.seen.length));
    for (const [ref, id] of member.acks) {
      const { text, deletes } = items.get(id)!;
      if (deletes === undefined) expect(text === ref || text === "").toBe(true);
      else expect([ref, items.get(deletes)!.text]).toEqual([`delete ${deletes}`, ""]);
    }
  }
  const acknowledged = members.reduce((sum, { acks }) => sum + acks.size, 0);
  expect(acknowledged).toBe(lines.length);
  return acknowledged;
}

function lineOf({ id, prev, text, deletes }: Item): string {
  return `${id} ${prev} ${text} ${deletes}`;
}

/** What a newcomer reads of a channel, from its first message on. */
async function readAll(url: string): Promise<Item[]> {
  const client = await enter(url, V1);
  const items: Item[] = [];
  for (let more = true; more;) {
    client.say({ type: "history", after: items.at(-1)?.id ?? 0, limit: 200 });
    const page = await client.nextOf("history");
    items.push(...(page.messages as Item[]));
    more = page.more === "true";
  }
  await client.close();
  return items;
}

const RUNS = LONG ? 5 : 1;
const SEEDS = Array.from({ length: RUNS }, () => Math.floor(Math.random() * 2 ** 31));
const seeds = process.env.SEED === undefined ? SEEDS : [Number(process.env.SEED)];

test.each(seeds)(
  "no message is lost, doubled or out of order (SEED=%d)",
  async (seed) => {
    // Here as well, in case the test never ends.
    console.log(`SEED=${seed}`);
    const random = randomFrom(seed);
    const env: Record<string, string> = {
      DATABASE: join(folder, `${seed}.sqlite`),
      MESSAGE_RATE: "0",
      HISTORY_LIMIT: "100000",
      HISTORY_MEMORY: "100000",
      HEARTBEAT_INTERVAL: "10",
    };
    let shoal: Shoal = await startShoal({ env });
    env.PORT = new URL(shoal.http).port;
    const target = { ws: shoal.ws };
    const members = Array.from({ length: CLIENTS }, (_, n) => {
      return new Member(`n${n}`, `c${n % CHANNELS}`, target, random);
    });
    const pick = () => members[Math.floor(random() * CLIENTS)]!;

    let removals = 0;
    for (let sent = 0; sent < MESSAGES; sent++) {
      pick().post();
      if (random() < 0.01) pick().drop();
      if (random() < 0.01) pick().rename();
      if (random() < 0.05 && pick().remove()) removals++;
      if (sent % 20 === 0) await Bun.sleep(1);
      if (sent % Math.floor(MESSAGES / (KILLS + 1)) === 0 && sent > 0) {
        await shoal.end("SIGKILL");
        await Bun.sleep(random() * 50);
        shoal = await startShoal({ env });
      }
    }
    // Everyone posts once more, so that a lost last message would show.
    while (!members.every((member) => member.idle)) await Bun.sleep(20);
    for (const member of members) member.post();
    while (!members.every((member) => member.idle)) await Bun.sleep(20);
    const lastOf = (channel: string) =>
      Math.max(...members.filter((one) => one.channel === channel).map(({ last }) => last));
    while (!members.every((one) => one.last === lastOf(one.channel))) await Bun.sleep(20);

    let acknowledged = 0;
    for (let n = 0; n < CHANNELS; n++) {
      const here = members.filter(({ channel }) => channel === `c${n}`);
      acknowledged += checkChannel(here);
      const kept = (await readAll(`${target.ws}/c${n}`)).map(lineOf);
      for (const { seen } of here) expect(kept.slice(-seen.length)).toEqual(seen.map(lineOf));
    }
    expect(removals).toBeGreaterThan(10);
    expect(acknowledged).toBe(MESSAGES + CLIENTS + removals);
    expect(members.reduce((sum, { drops }) => sum + drops, 0)).toBeGreaterThan(50);
    for (const member of members) member.end();
    expect(await shoal.end()).toBe(0);
  },
  180_000,
);
