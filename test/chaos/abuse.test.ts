import { expect, test } from "bun:test";
import { enter, enterAs, V1, type Client, type ClientOptions } from "../helpers/client.ts";
import type { Shoal } from "../helpers/shoal.ts";
import { historyOf, identify } from "../helpers/v1.ts";
import { attack, type AttackOptions, LONG, type Report } from "./attack.ts";

/**
 * One bad visitor spoils nothing: attacks on a real server, beside well-behaved clients. The short
 * form, in `npm test`, checks what does not depend on the speed of the machine. The long form, `npm
 * run chaos`, checks delays and memory as well.
 */

/** What an attack may do at most; the long form alone checks what depends on the machine. */
interface Bounds {
  /** Milliseconds from post to delivery, of 99 in 100 posts. */
  readonly p99?: number;
  readonly worst?: number;
  /** The server's share of one core. */
  readonly cpu?: number;
  /** Resident memory, MB. */
  readonly rss?: number;
  /** What the server keeps of what was said, MB: within its settings, and not to be given back. */
  readonly keeps?: number;
  /** What the kernel holds for sockets beyond what it held before, MB. */
  readonly kernel?: number;
}

const USUAL = { p99: 100, rss: 450, kernel: 300 } satisfies Bounds;
/** Memory is back within this share of what it was, and this many MB for the code that was compiled. */
const BACK = { share: 1.2, rss: 10 };
/** A network that limits by address apply to (RFC 5737). */
const BAD = "203.0.113.66";

/** @returns what is not met */
function misses({ before, during, inside, after, rss, kernel, disconnected }: Report, own: Bounds) {
  const bounds: Bounds & typeof USUAL = { ...USUAL, ...own };
  const most: [what: string, value: number, most: number][] = [
    ["disconnected", disconnected, 0],
    ["RSS", rss.peak, bounds.rss],
    ["kernel", kernel.peak - kernel.before, bounds.kernel],
  ];
  for (const [when, one] of Object.entries({ before, during, inside, after })) {
    if (one === undefined) continue;
    most.push([`lost ${when}`, one.lost, 0]);
    most.push([`refused ${when}`, one.refused, Math.ceil(one.sent / 100)]);
    if (!LONG) continue;
    most.push([`p99 ${when}`, one.p99, bounds.p99]);
    if (bounds.worst !== undefined) most.push([`worst ${when}`, one.worst, bounds.worst]);
  }
  if (LONG) {
    if (bounds.cpu !== undefined) most.push(["CPU", during.cpu, bounds.cpu]);
    most.push(["RSS after", rss.after, rss.before * BACK.share + BACK.rss + (bounds.keeps ?? 0)]);
  }
  return most.filter(([, value, limit]) => value > limit);
}

async function withstands(options: AttackOptions, bounds: Bounds = {}): Promise<Report> {
  const report = await attack(options);
  const missed = misses(report, bounds);
  const text = missed.map(([what, value, most]) => `${what} ${value.toFixed(2)} > ${most}`);
  console.log(missed.length === 0 ? "  met" : `  NOT MET: ${text.join(", ")}`);
  expect(text).toEqual([]);
  return report;
}

/** Connections that break every rule, from one address. */
const FLOODS: Record<string, string> = {
  connections: "connections from one address",
  requests: "plain requests",
  slowloris: "handshakes that never end",
  pings: "pings",
  fragments: "fragments",
  oversize: "frames that are too long",
  utf8: "invalid UTF-8",
  unknown: "unknown types",
};
/** One at a time, or in the short form all at once. */
const floods: [AttackOptions][] = LONG
  ? Object.entries(FLOODS).map(([attack, name]) => [flood(attack, name)])
  : [[flood(Object.keys(FLOODS).join(), "floods of all kinds")]];

function flood(attack: string, name: string): AttackOptions {
  const connections = LONG ? 100 : 30;
  return { name, attack, params: { from: BAD, connections }, seconds: size(10, 3) };
}

/** The size of an attack: in the long form, and in `npm test`. */
function size(long: number, short: number): number {
  return LONG ? long : short;
}

const SECONDS = size(12, 1.5);
const TIMEOUT = 120_000;

/** Attacks that need no preparation, with what they may do. */
const PLAIN: [AttackOptions, Bounds?][] = [
  [
    {
      name: "history requests",
      attack: "history",
      params: { connections: 100 },
      seconds: SECONDS,
    },
    { worst: 100 },
  ],
  [
    {
      name: "history requests of a crowd that does not read",
      attack: "history",
      params: { connections: size(1000, 300) },
      seconds: SECONDS,
    },
    { p99: 300, worst: 300 },
  ],
  [
    {
      name: "history requests of a crowd that reads",
      attack: "history",
      params: { connections: size(1000, 300), reads: true },
      seconds: SECONDS,
    },
    { p99: 300, worst: 300 },
  ],
  [
    {
      name: "history requests of ever new connections",
      attack: "churn",
      seconds: SECONDS,
    },
    // What is in flight may be 256 MiB, and 64 KiB for each connection beside it.
    { cpu: 0.2, kernel: 350 },
  ],
  [
    {
      name: "presence and renames of a crowd with long names",
      attack: "presence",
      params: { connections: size(1100, 300) },
      seconds: SECONDS,
    },
  ],
  [
    {
      name: "presence and renames of as many as are listed by name",
      attack: "presence",
      params: { connections: size(950, 100) },
      seconds: SECONDS,
    },
    { p99: 300 },
  ],
  [
    {
      name: "a crowd that does not read what is said",
      attack: "unread",
      params: { connections: size(1000, 300), pongs: true },
      seconds: size(30, 3),
    },
  ],
  [
    {
      name: "a crowd that reads little of what is said",
      attack: "unread",
      params: { connections: size(1000, 300), sips: true },
      seconds: size(30, 3),
    },
  ],
  [
    {
      name: "chatter",
      attack: "chatter",
      params: { connections: size(1000, 300) },
      inside: "target",
      seconds: SECONDS,
    },
    { p99: 250 },
  ],
  [
    {
      name: "chatter with long texts",
      attack: "chatter",
      params: { connections: size(400, 100), long: true },
      inside: "target",
      seconds: SECONDS,
    },
    { p99: 250 },
  ],
];

for (const [options, bounds] of [...PLAIN, ...floods]) {
  test(
    options.name,
    () => withstands(options, bounds) as Promise<unknown> as Promise<void>,
    TIMEOUT,
  );
}

/** A client that a trusted proxy would say comes from this address. */
function victim(n: number): ClientOptions {
  return { ...V1, headers: { "X-Forwarded-For": `198.51.100.${n}` } };
}

/** Two people say so many messages in a channel, in turn. @returns the two */
async function converse(url: string, who: ClientOptions, messages: number): Promise<Client[]> {
  const pair = [];
  for (const user of ["ann", "bob"]) pair.push(await enterAs(url, user, who));
  for (let said = 0; said < messages; said++) {
    const one = pair[said % 2]!;
    one.say({ type: "message", text: `what I say ${said}`, ref: `${said}` });
    await one.nextOf("ack");
  }
  return pair;
}

// Private addresses are not limited, and behind a proxy that nobody declared everyone has one.
test.each([
  ["from a public address", BAD, victim],
  ["from a private address", undefined, victim],
  ["from the same private address", undefined, () => V1],
] as const)(
  "others keep their history: attack %s",
  async (where, from, who) => {
    const channels = size(300, 100);
    const messages = 20;
    const staying: Client[] = [];
    await withstands(
      {
        name: `erasing history ${where}`,
        attack: "erase",
        params: from === undefined ? {} : { from },
        seconds: SECONDS,
        settings: { HISTORY_MEMORY: `${size(64, 8) * 1024 * 1024}` },
        async prepare(shoal) {
          for (let n = 0; n < channels; n += 10) {
            const some = Array.from({ length: Math.min(10, channels - n) }, async (_, at) => {
              const pair = await converse(
                `${shoal.ws}/talk-${n + at}`,
                who(10 + ((n + at) % 100)),
                messages,
              );
              if ((n + at) % 2 === 0) staying.push(...pair);
              else for (const one of pair) await one.close();
            });
            await Promise.all(some);
          }
        },
        async verify(shoal) {
          let kept = 0;
          for (let n = 0; n < channels; n++) {
            const reader = await enter(`${shoal.ws}/talk-${n}`, who(10 + (n % 100)));
            kept += (await historyOf(reader)).messages.length;
            await reader.close();
          }
          console.log(`  ${kept} of ${channels * messages} messages kept`);
          expect(kept).toBe(channels * messages);
          for (const one of staying) await one.close();
        },
      },
      { keeps: 80 },
    );
  },
  TIMEOUT,
);

test(
  "names stay reserved for victims whose connections break",
  async () => {
    const sessions: unknown[] = [];
    const victims: Client[] = [];
    await withstands({
      name: "names that are kept",
      attack: "names",
      params: { from: BAD, connections: 1100 },
      seconds: 0,
      settings: {
        ...{ HEARTBEAT_INTERVAL: "1", SESSION_GRACE: "120" },
        ...{ IP_CONNECTIONS: "0", IP_CONNECTION_RATE: "0" },
      },
      async prepare(shoal) {
        for (let n = 0; n < 2; n++) {
          victims.push(await enter(`${shoal.ws}/names-${n}`, victim(n)));
          sessions.push((await identify(victims[n]!, `ann${n}`)).session);
        }
        await Bun.sleep(1500);
        // One breaks before the attack, the other after it.
        await vanish(shoal, victims[0]!, "names-0");
      },
      async verify(shoal) {
        await vanish(shoal, victims[1]!, "names-1");
        for (let n = 0; n < 2; n++) {
          const thief = await enter(`${shoal.ws}/names-${n}`, victim(9));
          const stolen = await identify(thief, `ann${n}`);
          expect(stolen).toMatchObject({ success: "false", code: "name_taken" });
          const ann = await enter(`${shoal.ws}/names-${n}`, victim(n));
          expect(await identify(ann, `ann${n}`, sessions[n])).toMatchObject({ success: "true" });
          await thief.close();
          await ann.close();
        }
      },
    });
  },
  TIMEOUT,
);

/** Breaks off the only connection in a channel, and waits until the server has noticed. */
async function vanish(shoal: Shoal, client: Client, channel: string): Promise<void> {
  client.socket.terminate();
  const witness = await enter(`${shoal.ws}/${channel}`, victim(9));
  for (let count = 2; count > 1; await Bun.sleep(20)) {
    witness.say({ type: "presence" });
    count = (await witness.nextOf("presence")).count as number;
  }
  await witness.close();
}

test(
  "what a victim sends again is posted once",
  async () => {
    let session: unknown;
    let id: unknown;
    const text = { type: "message", text: "once", ref: "once" };
    await withstands(
      {
        name: "the memory of refs",
        attack: "refs",
        params: { connections: 2200 },
        seconds: 0,
        async prepare(shoal) {
          const ann = await enter(`${shoal.ws}/refs`, victim(1));
          session = (await identify(ann, "ann")).session;
          ann.say(text);
          id = (await ann.nextOf("ack")).id;
          ann.socket.terminate();
        },
        async verify(shoal) {
          const ann = await enter(`${shoal.ws}/refs`, victim(1));
          await identify(ann, "ann", session);
          ann.say(text);
          expect((await ann.nextOf("ack")).id).toBe(id);
          expect((await historyOf(ann)).messages.length).toBe(1);
          await ann.close();
        },
      },
      { keeps: 100 },
    );
  },
  TIMEOUT,
);
