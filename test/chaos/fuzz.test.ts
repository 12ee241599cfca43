import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { sourceOf } from "../bench/load-wire.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { checkFrame } from "../helpers/frames.ts";
import { residentOf } from "../helpers/process.ts";
import { handshake } from "../helpers/raw.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";
import { LONG } from "./attack.ts";
import { judge, Mutator } from "./mutate.ts";

/**
 * Frames and requests that are almost right, over raw sockets against a real server. Every question
 * gets its answer, and nothing ends the server or fills its memory. `FUZZ_SEED` repeats a run.
 */

const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const FRAMES = LONG ? 1_000_000 : 20_000;
const REQUESTS = LONG ? 100_000 : 2000;
const FRAMES_EACH = 100;
const WORKERS = 16;
/** Nobody waits longer for an answer: milliseconds. */
const PATIENCE = 10_000;
/** Milliseconds that a request which may be incomplete is given. */
const MOMENT = 20;
/** What memory may grow by after the first tenth, in MB. */
const GROWTH = 48;
/** Bytes in a message, with the default of TEXT_LIMIT. */
const LIMIT = 12 * 2000 + 1024;

let shoal: Shoal;
beforeAll(async () => {
  console.log(`FUZZ_SEED=${SEED}`);
  const few = { HISTORY_LIMIT: "20", HISTORY_TTL: "1", HISTORY_MEMORY: "8388608" };
  shoal = await startShoal({
    env: { ...few, MESSAGE_RATE: "0", SESSION_GRACE: "0" },
  });
});
afterAll(async () => {
  expect(await shoal.end()).toBe(0);
  expect(shoal.output()).not.toContain('"level":"error"');
});

/** A socket that collects what comes. */
class Line {
  bytes = Buffer.alloc(0);
  closed = false;
  readonly #socket: Socket;
  #changed = Promise.withResolvers<void>();

  constructor(index: number) {
    const { hostname, port } = new URL(shoal.http);
    this.#socket = connect({ host: hostname, port: Number(port), ...sourceOf(hostname, index) });
    this.#socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.#changed.resolve();
    });
    this.#socket.on("close", () => {
      this.closed = true;
      this.#changed.resolve();
    });
    this.#socket.on("error", () => {});
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** @returns whether this became true, within so many milliseconds */
  async until(check: () => boolean, ms: number): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#changed.resolve();
    }, ms);
    while (!check() && !late) {
      this.#changed = Promise.withResolvers();
      await this.#changed.promise;
    }
    clearTimeout(timer);
    return check();
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** What the server has answered, counted frame by frame. */
class Answers {
  pongs = 0;
  presences = 0;
  /** Answers to frames that are neither heartbeats nor questions of presence. */
  others = 0;
  #at: number | undefined;
  readonly #refs = new Set<string>();

  read(bytes: Buffer, v1: boolean): void {
    if (this.#at === undefined) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end === -1) return;
      this.#at = end + 4;
    }
    for (;;) {
      const at: number = this.#at;
      const short = bytes[at + 1];
      if (short === undefined) return;
      const more = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (bytes.length < at + 2 + more) return;
      const length =
        more === 0 ? short : bytes.readUIntBE(at + 2 + Math.max(more - 6, 0), Math.min(more, 6));
      const start = at + 2 + more;
      if (bytes.length < start + length) return;
      this.#at = start + length;
      const opcode = bytes[at]! & 15;
      if (opcode === 10) this.pongs++;
      if (opcode === 1) this.#count(bytes.toString("utf8", start, start + length), v1);
    }
  }

  #count(text: string, v1: boolean): void {
    checkFrame(text, v1);
    const { type, ref } = JSON.parse(text) as { type: string; ref?: string };
    if (type === "connection" || type === "heartbeat") return;
    if (type === "presence") this.presences++;
    else this.others++;
    // The first ack of a ref comes beside the message itself.
    if (type !== "ack" || this.#refs.has(ref!)) return;
    this.#refs.add(ref!);
    this.others--;
  }
}

/** The type of the frame, if it has one. */
function typeOf(text: string | undefined): unknown {
  try {
    return (JSON.parse(text ?? "") as { type?: unknown } | null)?.type;
  } catch {
    return undefined;
  }
}

/** One connection with many frames. @returns what went wrong, if something did */
async function frames(n: number, worker: number): Promise<string | undefined> {
  const mutator = new Mutator(SEED ^ Math.imul(n + 1, 0x9e3779b1));
  const v1 = n % 2 === 0;
  const sent: Uint8Array[] = [];
  for (let count = 0; count < FRAMES_EACH; count++) sent.push(...mutator.message());
  if (mutator.random() < 0.6) sent.push(mutator.broken());
  const bytes = Buffer.concat(sent);
  const { messages, pings, end } = judge(bytes, LIMIT);
  const types = messages.map(typeOf);
  const presences = v1 ? types.filter((type) => type === "presence").length : 0;
  const heartbeats = types.filter((type) => type === "heartbeat").length;
  const others = messages.length - presences - heartbeats;

  const line = new Line(n);
  const answers = new Answers();
  const offer = v1 ? ["Sec-WebSocket-Protocol: shoal.v1"] : [];
  line.write(handshake(`/fuzz-${worker}`, offer));
  const half = mutator.below(bytes.length);
  line.write(bytes.subarray(0, half));
  line.write(bytes.subarray(half));
  const complete = () => {
    answers.read(line.bytes, v1);
    const enough = answers.others >= others && answers.presences >= presences;
    const goesOn = end === "open" || end === "unsure";
    return (enough && answers.pongs >= pings && goesOn) || line.closed;
  };
  const answered = await line.until(complete, PATIENCE);
  line.end();
  const facts = JSON.stringify({
    n,
    v1,
    end,
    closed: line.closed,
    others,
    presences,
    pings,
    answers,
  });
  if (!answered) return `unanswered: ${facts}`;
  if (answers.others !== others) return `others: ${facts}`;
  if (end === "open" && line.closed) return `closed: ${facts}`;
  return undefined;
}

const REQUEST_LINE = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) \/[!-~]* HTTP\/1\.[01]$/;
const HEADER = /^[\w-]+: [!-~]*( [!-~]+)*$/;

/** Whether this is surely a complete request, so that it must be answered. */
function isRequest(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...headers] = text.slice(0, end).split("\r\n");
  if (end === -1 || /content-length|transfer-encoding|expect/i.test(text)) return false;
  return REQUEST_LINE.test(first) && headers.every((header) => HEADER.test(header));
}

async function request(n: number): Promise<string | undefined> {
  const mutator = new Mutator(~SEED ^ Math.imul(n + 1, 0x9e3779b1));
  const bytes = mutator.request();
  const must = isRequest(bytes);
  const line = new Line(n);
  line.write(bytes);
  const answered = await line.until(
    () => line.closed || line.bytes.includes("\r\n\r\n"),
    must ? PATIENCE : MOMENT,
  );
  line.end();
  const answer = line.bytes.toString("latin1", 0, 13);
  const sound = line.bytes.length === 0 || /^HTTP\/1\.1 [1-5]\d\d $/.test(answer);
  const right = sound && !answer.includes(" 500 ");
  if (right && (!must || (answered && line.bytes.length > 0))) return undefined;
  return `${n}: ${JSON.stringify(Buffer.from(bytes).toString("latin1"))} got ${JSON.stringify(answer)}`;
}

/** Checks that somebody well-behaved is served. */
async function serves(n: number): Promise<void> {
  const talk = async () => {
    const ann = await enterAs(`${shoal.ws}/calm`, `ann${n}`, V1);
    ann.say({ type: "message", text: "hi", ref: "hi" });
    expect(await ann.nextOf("ack")).toMatchObject({ ref: "hi" });
    await ann.close();
    return "served";
  };
  const late = Bun.sleep(PATIENCE).then(() => "late");
  expect(await Promise.race([talk(), late])).toBe("served");
}

/** Runs so many of these, a few at a time, and checks the server after each of `every`. */
async function all(
  count: number,
  every: number,
  one: (n: number, worker: number) => Promise<string | undefined>,
): Promise<void> {
  let next = 0;
  let early = 0;
  const wrong: string[] = [];
  const work = async (_: unknown, worker: number) => {
    for (let n = next++; n < count && wrong.length < 10; n = next++) {
      const fault = await one(n, worker);
      if (fault !== undefined) wrong.push(fault);
      if (n % every === every - 1) await serves(n);
      if (n === Math.floor(count / 10)) early = residentOf(shoal.pid);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  expect(wrong).toEqual([]);
  const grown = (residentOf(shoal.pid) - early) / 1024 / 1024;
  console.log(`  memory grew by ${grown.toFixed(0)} MB`);
  expect(grown).toBeLessThan(GROWTH);
}

test(`${FRAMES} frames`, () => all(FRAMES / FRAMES_EACH, 1000 / FRAMES_EACH, frames), 1_200_000);
test(`${REQUESTS} requests`, () => all(REQUESTS, 1000, request), 1_200_000);
