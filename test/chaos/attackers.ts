import { frame, PONG, Wire, type WireOptions } from "./wire.ts";

/**
 * The process that attacks: `bun attackers.ts <http> <attacks> <params as JSON>`, the attacks with
 * commas between them. It says "ready" once all attackers are there, goes on until its standard input
 * ends, and then says what it counted.
 */

const [http = "", names = "", json = "{}"] = Bun.argv.slice(2);
const params = JSON.parse(json) as Record<string, unknown>;
/** What happened, by its name. */
const counts: Record<string, number> = {};

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

function number(key: string, fallback: number): number {
  return (params[key] as number | undefined) ?? fallback;
}

/** The one address of all attackers, if the attack is from one that counts. */
const from = params.from as string | undefined;

function errors(text: string): void {
  const code = /^\{"type":"error","code":"([^"]+)"/.exec(text)?.[1];
  if (code !== undefined) count(code);
}

async function enter(path: string, options: WireOptions = {}): Promise<Wire> {
  const wire = await Wire.connect(http, path, {
    ...(from === undefined ? {} : { from }),
    onText: errors,
    ...options,
  });
  await wire.answered.promise;
  if (options.reads !== false) count(`status ${wire.status}`);
  return wire;
}

/** Opens so many, a hundred at a time. */
async function crowd(size: number, open: (n: number) => Promise<Wire>): Promise<Wire[]> {
  const wires: Wire[] = [];
  for (let n = 0; n < size; n += 100) {
    const some = Array.from({ length: Math.min(100, size - n) }, (_, at) => open(n + at));
    wires.push(...(await Promise.all(some)));
  }
  return wires;
}

/** Calls `act` for each of these `perSecond` times a second, evenly. */
function pace<T>(all: readonly T[], perSecond: number, act: (one: T) => void): void {
  const start = performance.now();
  let done = 0;
  setInterval(() => {
    const due = ((performance.now() - start) / 1000) * perSecond * all.length;
    // What a slow machine could not do in time is not made up for.
    done = Math.max(done, due - all.length);
    for (; done < due; done++) act(all[Math.floor(done) % all.length]!);
  }, 5);
}

function say(wire: Wire, bytes: Uint8Array): void {
  if (!wire.writable) return count("not writable");
  count("sent");
  wire.write(bytes);
}

const nameOf = (n: number) => frame({ type: "identity", user: `m${n}` });
const HISTORY = frame('{"type":"history"}');
const PRESENCE = frame('{"type":"presence"}');
const TWO_KB = "\u0001".repeat(2000);
const LONG_TEXT = frame({ type: "message", text: TWO_KB });
const HI = frame('{"type":"message","text":"hi"}');

/** Fills a channel with messages that take 12 KB each on the wire. */
async function fill(path: string): Promise<void> {
  const filled = Promise.withResolvers<void>();
  const onText = (text: string) => text.startsWith('{"type":"ack"') && filled.resolve();
  const wire = await enter(path, { onText });
  wire.write(nameOf(0));
  for (let n = 0; n < 45; n++) wire.write(LONG_TEXT);
  wire.write(frame({ type: "message", text: TWO_KB, ref: "last" }));
  await filled.promise;
  wire.end();
}

/** Opens a connection, lets it act, and opens another when it is closed. */
async function again(path: string, act: (wire: Wire) => void): Promise<void> {
  const options = { onClose: () => setTimeout(() => again(path, act), number("pause", 50)) };
  try {
    const wire = await enter(path, options);
    if (wire.open) act(wire);
    else wire.end();
  } catch {
    count("not connected");
    options.onClose();
  }
}

/** So many connections that send these bytes without an end, and come back when they are closed. */
function flood(bytes: Uint8Array, first = new Uint8Array(0)): () => Promise<void> {
  return async () => {
    const wires: Wire[] = [];
    const size = number("connections", 100);
    for (let n = 0; n < size; n++) {
      await again("/flooded", (wire) => {
        if (first.length > 0) wire.write(first);
        wires[n] = wire;
      });
    }
    pace(
      Array.from({ length: size }, (_, n) => n),
      number("perSecond", 100),
      (n) => wires[n] !== undefined && say(wires[n], bytes),
    );
  };
}

function repeat(bytes: Uint8Array, times: number): Uint8Array {
  return Buffer.concat(Array.from({ length: times }, () => bytes));
}

const raw = (...bytes: number[]) => Uint8Array.from(bytes);

const ATTACKS: Record<string, () => Promise<void>> = {
  /** Many who ask for history and do not read it. */
  async history() {
    await fill("/target");
    const wires = await crowd(number("connections", 100), (index) =>
      enter("/target", { reads: params.reads === true, index }),
    );
    for (const wire of wires) wire.write(repeat(HISTORY, 50));
    pace(wires, 10, (wire) => say(wire, HISTORY));
  },

  /** The same from ever new connections. */
  async churn() {
    await fill("/target");
    const open: Wire[] = [];
    pace([0], number("perSecond", 60), () => {
      enter("/target", { reads: false }).then(
        (wire) => {
          count("opened");
          wire.write(repeat(HISTORY, 50));
          open.push(wire);
          if (open.length > 600) open.shift()!.end();
        },
        () => count("not connected"),
      );
    });
  },

  /** A full channel of long names that all ask who is there, and rename. */
  async presence() {
    const long = "\u{1F41F}".repeat(24);
    const wires = await crowd(number("connections", 1100), async (index) => {
      const wire = await enter("/target", { index });
      wire.write(frame({ type: "identity", user: `${long}${index}` }));
      return wire;
    });
    for (const wire of wires) wire.write(repeat(PRESENCE, 49));
    let turn = 0;
    pace(wires, 10, (wire) => {
      const rename = frame({ type: "identity", user: `${long}${turn++ % 100_000}` });
      say(wire, turn % 2 === 0 ? PRESENCE : rename);
    });
  },

  /** Many who do not read, in a channel where a few say much. */
  async unread() {
    const deaf = await crowd(number("connections", 1000), (index) =>
      enter("/target", { reads: false, v1: index % 2 === 0, index }),
    );
    const talkers = await crowd(5, () => enter("/target"));
    for (const [n, wire] of talkers.entries()) {
      wire.write(nameOf(n));
      wire.write(repeat(LONG_TEXT, 40));
    }
    pace(talkers, 10, (wire) => say(wire, LONG_TEXT));
    pace(deaf, 1, (wire) => say(wire, HISTORY));
    // Some claim that they are alive, or read a little now and then.
    pace(deaf, 1, (wire) => params.pongs === true && say(wire, PONG));
    pace(deaf, 1, (wire) => params.sips === true && wire.sip());
  },

  /** Everyone in a channel talks as fast as the rules allow. */
  async chatter() {
    const wires = await crowd(number("connections", 1000), async (index) => {
      const wire = await enter("/target", { index });
      wire.write(nameOf(index));
      return wire;
    });
    const text = params.long === true ? LONG_TEXT : HI;
    pace(wires, 10, (wire) => say(wire, text));
  },

  /** Posts as much as it can into ever new channels. */
  async erase() {
    let channel = 0;
    const next = async (): Promise<void> => {
      const wire = await enter(`/erase-${channel++}`);
      if (wire.open) {
        wire.write(nameOf(0));
        wire.write(repeat(LONG_TEXT, 49));
        counts.posted = (counts.posted ?? 0) + 49;
        await Bun.sleep(100);
      } else await Bun.sleep(500);
      wire.end();
      void next();
    };
    for (let n = 0; n < number("connections", 64); n++) void next();
  },

  /** Takes names for longer than a heartbeat, and breaks off, so that they stay reserved. */
  async names() {
    const wires = await crowd(number("connections", 1100), async (n) => {
      const wire = await enter(`/kept-${n}`, { index: n });
      wire.write(nameOf(n));
      return wire;
    });
    await Bun.sleep(number("hold", 1500));
    for (const wire of wires) wire.end();
    await Bun.sleep(500);
  },

  /** Fills the memory of refs. */
  async refs() {
    const size = number("connections", 2200);
    for (let n = 0; n < size; n += 50) {
      await crowd(Math.min(50, size - n), async (at) => {
        const acked = Promise.withResolvers<void>();
        const wire = await enter(`/refs-${n + at}`, {
          onText(text) {
            errors(text);
            if (text.startsWith('{"type":"ack"')) count("acked");
            if (text.includes('"ref":"48"')) acked.resolve();
          },
          onClose: () => acked.resolve(),
        });
        wire.write(nameOf(0));
        for (let ref = 0; ref < 49; ref++) {
          wire.write(frame({ type: "message", text: "x", ref: `${ref}` }));
        }
        await acked.promise;
        wire.end();
        return wire;
      });
    }
  },

  /** Connects and leaves, as fast as it can. */
  async connections() {
    const next = async (): Promise<void> => {
      try {
        (await enter("/flooded")).end();
      } catch {
        count("not connected");
      }
      setTimeout(next, number("pause", 5));
    };
    for (let n = 0; n < number("connections", 50); n++) void next();
  },

  /** Handshakes that never end: one byte a second. */
  async slowloris() {
    const size = 10 * number("connections", 100);
    const wires: Wire[] = [];
    const open = async (n: number) => {
      const wire = await Wire.connect(http, "/", {
        hello: "GET /slow HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        index: n,
      });
      count("opened");
      wires[n] = wire;
      return wire;
    };
    await crowd(size, open);
    pace(
      Array.from({ length: size }, (_, n) => n),
      1,
      (n) => {
        if (wires[n]?.closed === true) open(n).catch(() => count("not connected"));
        else wires[n]?.write(raw(0x61));
      },
    );
  },

  /** Plain requests, many at once on each connection. */
  async requests() {
    const head = `HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${from}\r\n`;
    const kinds = ["GET /a", "HEAD /", "POST /a", "GET /-/health", "GET /robots.txt", "GET /%zz"];
    const wires: Wire[] = [];
    const open = async (n: number) => {
      const hello = `${kinds[n % kinds.length]} ${head}\r\n`;
      const wire = await Wire.connect(http, "/", { hello, index: n });
      count("opened");
      wires[n] = wire;
      return wire;
    };
    const size = number("connections", 100);
    await crowd(size, open);
    const numbers = Array.from({ length: size }, (_, n) => n);
    const bytes = kinds.map((kind) => repeat(Buffer.from(`${kind} ${head}\r\n`), 20));
    pace(numbers, number("perSecond", 100), (n) => {
      if (wires[n]?.closed === true) open(n).catch(() => count("not connected"));
      else if (wires[n] !== undefined) say(wires[n], bytes[n % kinds.length]!);
    });
  },

  pings: flood(repeat(raw(0x89, 0x80, 0, 0, 0, 0), 100)),
  /** Parts of one byte of a message that never ends. */
  fragments: flood(
    repeat(raw(0x00, 0x81, 0, 0, 0, 0, 0x61), 100),
    raw(0x01, 0x81, 0, 0, 0, 0, 0x7b),
  ),
  oversize: flood(
    Buffer.concat([raw(0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0), Buffer.alloc(4096)]),
  ),
  utf8: flood(raw(0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe)),
  unknown: flood(repeat(frame('{"type":"nonsense"}'), 10)),
};

if (import.meta.main) {
  await Promise.all(names.split(",").map((name) => ATTACKS[name]!()));
  process.stdout.write("ready\n");
  for await (const _ of Bun.stdin.stream());
  process.stdout.write(JSON.stringify(counts));
  process.exit(0);
}
