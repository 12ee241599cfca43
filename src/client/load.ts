import { createHistogram } from "node:perf_hooks";
import { type Crowd, createCrowd, type CrowdPlan, type LoadConnection } from "./load-crowd.ts";
import { BATCH, createStamp, type Dialect, senderOf, type Stamp, timeOf } from "./load-wire.ts";

/**
 * The load side of a benchmark: many connections that talk, and a count of what comes back.
 *
 * In a closed loop each talker keeps some messages in flight: it sends the next when one of its
 * own has come back. In an open loop messages follow a schedule, and latency counts from when a
 * message should have been sent, so a server that stalls does not slow down its own measurement.
 */
export interface LoadPlan extends CrowdPlan {
  /** Connections of each channel that talk. */
  readonly talkers: number;
  readonly pace: Pace;
  /** Characters of a text, at least 15. */
  readonly textLength: number;
}

/**
 * Messages that each talker keeps in flight, or messages a second over all. A schedule that is slow
 * would meet code that is not compiled yet: `hot` has a closed loop warm the server up before it.
 */
export type Pace =
  { readonly inFlight: number } | { readonly rate: number; readonly hot?: boolean };

export interface Window {
  /** Seconds before the measurement; as many again where the pace is hot. */
  readonly warmup: number;
  /** Seconds of the measurement. */
  readonly seconds: number;
  /** Is called as the measurement begins, and as it ends. */
  readonly mark?: () => void;
}

export interface LoadFigures {
  /** How long the measurement was, in seconds. */
  readonly seconds: number;
  /** In the measurement: messages sent, and how often one reached a connection. */
  readonly messages: number;
  readonly deliveries: number;
  /** Milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly p999: number };
  /** How late messages were sent, p99 in milliseconds; 0 in a closed loop. */
  readonly late: number;
  /** The share of one core that this process took, 0 to 1 and a little more. */
  readonly busy: number;
  /**
   * Over the whole run: deliveries there should have been, and were. Stalled readers have none, and
   * neither have messages that were refused.
   */
  readonly expected: number;
  readonly received: number;
  /** Messages that were refused, and connections that were closed by the server. */
  readonly refused: number;
  readonly closed: number;
}

export interface Load {
  /** Connects, takes names, and is done when all are in. @returns seconds that it took */
  open(): Promise<number>;
  /**
   * Lets the talkers talk.
   *
   * @throws where the server closes all connections meanwhile
   */
  drive(window: Window): Promise<LoadFigures>;
  /** Breaks all connections off and connects again, all at once. @returns seconds until all are in */
  reopen(): Promise<number>;
  close(): Promise<void>;
}

/** The longest that all may take to come in, in milliseconds. */
const PATIENCE = 120_000;
/** Messages a second from which on an open loop spins, since a timer would be late. */
const SPIN_FROM = 100;
/** How long missing deliveries are waited for at the end, and how long after the last that came. */
const SETTLE = { most: 30_000, quiet: 2000 };
/** How often it is seen whether the server is still there, in milliseconds. */
const GLANCE = 100;

/** What is told apart: microseconds to 1 %, up to 35 minutes. */
const MICROS = { lowest: 1, highest: 2 ** 31, figures: 2 };

export function createLoad(plan: LoadPlan): Load {
  const crowd = createCrowd(plan, { onMessage: arrived, onRefusal, afterRead: goOn });
  const { connections } = crowd;
  const talkers = connections.filter(({ seat, stalled }) => seat < plan.talkers && !stalled);
  const stamps = new Map<Dialect, Stamp>();
  for (const { dialect } of connections) {
    stamps.getOrInsertComputed(dialect, () => createStamp(dialect, plan.textLength));
  }

  const latency = createHistogram(MICROS);
  const lateness = createHistogram(MICROS);
  /** Whether the schedule goes on, and whether a message that comes back is followed by the next. */
  let talking = false;
  let looping = false;
  let messages = 0;
  let expected = 0;
  let received = 0;
  let refused = 0;

  function say(connection: LoadConnection, count: number, at: number): void {
    if (connection.phase !== "ready") return;
    const stamp = stamps.get(connection.dialect)!;
    for (let left = count; left > 0; left -= BATCH) {
      const some = Math.min(left, BATCH);
      crowd.write(connection, stamp(some, connection.index, at));
    }
    messages += count;
    expected += count * crowd.readers[connection.channel]!;
  }

  /** Messages have come to a connection: so many, the last of them its own or not. */
  function arrived(connection: LoadConnection, bytes: Uint8Array, textAt: number): void {
    if (connection.stalled) return;
    received++;
    latency.record(Math.max(1, crowd.now() - timeOf(bytes, textAt)));
    if (senderOf(bytes, textAt) === connection.index) connection.own++;
  }

  /** What is refused reaches nobody, and nothing follows it in a closed loop. */
  function onRefusal({ channel }: LoadConnection): void {
    refused++;
    expected -= crowd.readers[channel]!;
  }

  /** In a closed loop, each of one's own that came is followed by the next. */
  function goOn(connection: LoadConnection): void {
    const own = connection.own;
    connection.own = 0;
    if (own > 0 && looping) say(connection, own, crowd.now());
  }

  function talkInClosedLoop(inFlight: number): void {
    looping = true;
    for (const talker of talkers) say(talker, inFlight, crowd.micros());
  }

  function talkOnSchedule(rate: number): void {
    talking = true;
    const period = 1_000_000 / rate;
    const start = crowd.micros();
    let count = 0;
    function turn(): void {
      if (!talking) return;
      const now = crowd.micros();
      for (let at = start + count * period; at <= now; at = start + count * period) {
        lateness.record(Math.max(1, Math.floor(now - at)));
        say(talkers[count % talkers.length]!, 1, Math.floor(at));
        count++;
      }
      if (rate >= SPIN_FROM) setImmediate(turn);
      else setTimeout(turn, 1);
    }
    turn();
  }

  /** @throws where all connections are closed, and there is nothing left to wait for */
  async function wait(ms: number): Promise<void> {
    const end = performance.now() + ms;
    do {
      if (crowd.here === 0) throw new Error(`${plan.url}: the server closed all connections`);
      await Bun.sleep(Math.min(Math.max(end - performance.now(), 0), GLANCE));
    } while (performance.now() < end);
  }

  async function settle(): Promise<void> {
    const began = performance.now();
    let last = { received, at: began };
    while (received < expected) {
      await wait(10);
      const now = performance.now();
      if (received > last.received) last = { received, at: now };
      if (now - began > SETTLE.most || now - last.at > SETTLE.quiet) return;
    }
  }

  /** @param warmup milliseconds */
  async function begin(warmup: number): Promise<void> {
    if ("inFlight" in plan.pace) talkInClosedLoop(plan.pace.inFlight);
    else {
      if (plan.pace.hot === true) {
        talkInClosedLoop(1);
        await wait(warmup);
        looping = false;
        await settle();
      }
      talkOnSchedule(plan.pace.rate);
    }
    await wait(warmup);
  }

  async function drive(window: Window): Promise<LoadFigures> {
    try {
      return await measure(window);
    } finally {
      talking = looping = false;
    }
  }

  async function measure({ warmup, seconds, mark }: Window): Promise<LoadFigures> {
    crowd.stall();
    expected = received = 0;
    await begin(warmup * 1000);

    latency.reset();
    lateness.reset();
    const before = { at: performance.now(), cpu: process.cpuUsage(), messages, received };
    mark?.();
    await wait(seconds * 1000);
    mark?.();
    const wall = (performance.now() - before.at) / 1000;
    const { user, system } = process.cpuUsage(before.cpu);
    const figures = {
      seconds: wall,
      messages: messages - before.messages,
      deliveries: received - before.received,
      latency: {
        p50: latency.percentile(50) / 1000,
        p99: latency.percentile(99) / 1000,
        p999: latency.percentile(99.9) / 1000,
      },
      late: lateness.percentile(99) / 1000,
      busy: (user + system) / 1e6 / wall,
    };
    talking = looping = false;
    await settle();
    await crowd.wake();
    return { ...figures, expected, received, refused, closed: crowd.closed };
  }

  return {
    open: () => connectAll(crowd),
    drive,
    async reopen() {
      await crowd.breakOff();
      return connectAll(crowd);
    },
    close: () => crowd.breakOff(),
  };
}

/** @returns seconds until all were in */
async function connectAll(crowd: Crowd): Promise<number> {
  const start = performance.now();
  const { connections, plan } = crowd;
  let next = 0;
  async function bringIn(): Promise<void> {
    for (let one = connections[next++]; one !== undefined; one = connections[next++]) {
      if (performance.now() - start > PATIENCE) throw new Error(`${plan.url}: too slow to connect`);
      try {
        await crowd.connect(one);
      } catch (error) {
        // The others need not try.
        next = connections.length;
        throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: plan.abreast ?? 256 }, bringIn));
  return (performance.now() - start) / 1000;
}
