import { createHistogram } from "node:perf_hooks";
import { Crowd, type LoadConnection } from "./load-crowd.ts";
import type { LoadFigures, LoadPlan, Measured, Window } from "./load-plan.ts";
import { BATCH, createStamp, type Dialect, senderOf, type Stamp, timeOf } from "./load-wire.ts";

/** How long all connections may take to get in, in milliseconds. */
const PATIENCE = 120_000;
/** From this many messages a second on, an open loop spins, since a timer would be late. */
const SPIN_FROM = 100;
/** How long to wait for missing deliveries, in all and after the last one, in milliseconds. */
const SETTLE = { most: 30_000, quiet: 2000 };
/** How often to check that the server is still there, in milliseconds. */
const GLANCE = 100;

/** Microseconds to 1 %, up to 35 minutes. */
const MICROS = { lowest: 1, highest: 2 ** 31, figures: 2 };

/**
 * The load side of a benchmark: many connections that talk, and a count of what arrives.
 *
 * In a closed loop each talker keeps some messages in flight: it sends the next when one of its
 * own returns. In an open loop messages follow a schedule, and latency counts from when a message
 * was due, so a server that stalls cannot slow down its own measurement.
 */
export class Load {
  private readonly plan: LoadPlan;
  private readonly crowd: Crowd;
  private readonly talkers: readonly LoadConnection[];
  private readonly stamps = new Map<Dialect, Stamp>();
  private readonly latency = createHistogram(MICROS);
  private readonly lateness = createHistogram(MICROS);
  /** Whether the schedule continues, and whether an own message that returns triggers the next. */
  private talking = false;
  private looping = false;
  private messages = 0;
  private expected = 0;
  private received = 0;
  private refused = 0;

  constructor(plan: LoadPlan) {
    this.plan = plan;
    const crowd = new Crowd(plan, {
      onMessage: (connection, bytes, textAt) => this.arrived(connection, bytes, textAt),
      onRefusal: (connection) => this.rejected(connection),
      afterRead: (connection) => this.goOn(connection),
    });
    this.crowd = crowd;
    this.talkers = crowd.connections.filter(({ seat, stalled }) => seat < plan.talkers && !stalled);
    for (const { dialect } of crowd.connections) {
      this.stamps.getOrInsertComputed(dialect, () => createStamp(dialect, plan.textLength));
    }
  }

  /** Connects and takes names. @returns seconds until all were in */
  async open(): Promise<number> {
    const start = performance.now();
    const { connections } = this.crowd;
    let next = 0;
    const bringIn = async (): Promise<void> => {
      for (let one = connections[next++]; one !== undefined; one = connections[next++]) {
        if (performance.now() - start > PATIENCE) {
          throw new Error(`${this.plan.url}: too slow to connect`);
        }
        try {
          await this.crowd.connect(one);
        } catch (error) {
          // The others need not try.
          next = connections.length;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: this.plan.abreast ?? 256 }, bringIn));
    return (performance.now() - start) / 1000;
  }

  /**
   * Lets the talkers talk.
   *
   * @throws if the server closes all connections meanwhile
   */
  async drive(window: Window): Promise<LoadFigures> {
    const { crowd } = this;
    crowd.stall();
    this.expected = this.received = 0;
    try {
      await this.begin(window.warmup * 1000);
      const figures = await this.measure(window);
      this.talking = this.looping = false;
      await this.settle();
      await crowd.wake();
      const { expected, received, refused } = this;
      return { ...figures, expected, received, refused, closed: crowd.closed };
    } finally {
      this.talking = this.looping = false;
    }
  }

  /** Drops all connections and connects again, all at once. @returns seconds until all were in */
  async reopen(): Promise<number> {
    await this.crowd.breakOff();
    return this.open();
  }

  close(): Promise<void> {
    return this.crowd.breakOff();
  }

  /** @param warmup milliseconds */
  private async begin(warmup: number): Promise<void> {
    const { pace } = this.plan;
    if ("inFlight" in pace) this.talkInClosedLoop(pace.inFlight);
    else {
      if (pace.hot === true) {
        this.talkInClosedLoop(1);
        await this.wait(warmup);
        this.looping = false;
        await this.settle();
      }
      this.talkOnSchedule(pace.rate);
    }
    await this.wait(warmup);
  }

  private async measure({ seconds, mark }: Window): Promise<Measured> {
    const { latency, lateness, messages, received } = this;
    latency.reset();
    lateness.reset();
    const at = performance.now();
    const cpu = process.cpuUsage();
    mark?.();
    await this.wait(seconds * 1000);
    mark?.();
    const wall = (performance.now() - at) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds: wall,
      messages: this.messages - messages,
      deliveries: this.received - received,
      latency: {
        p50: latency.percentile(50) / 1000,
        p99: latency.percentile(99) / 1000,
        p999: latency.percentile(99.9) / 1000,
      },
      late: lateness.percentile(99) / 1000,
      busy: (user + system) / 1e6 / wall,
    };
  }

  /** Waits for the deliveries that are still on their way. */
  private async settle(): Promise<void> {
    const began = performance.now();
    let last = { received: this.received, at: began };
    while (this.received < this.expected) {
      await this.wait(10);
      const now = performance.now();
      if (this.received > last.received) last = { received: this.received, at: now };
      if (now - began > SETTLE.most || now - last.at > SETTLE.quiet) return;
    }
  }

  /** @throws if all connections are closed, so that there is nothing left to wait for */
  private async wait(ms: number): Promise<void> {
    const end = performance.now() + ms;
    do {
      if (this.crowd.here === 0) {
        throw new Error(`${this.plan.url}: the server closed all connections`);
      }
      await Bun.sleep(Math.min(Math.max(end - performance.now(), 0), GLANCE));
    } while (performance.now() < end);
  }

  private talkInClosedLoop(inFlight: number): void {
    this.looping = true;
    for (const talker of this.talkers) this.say(talker, inFlight, this.crowd.micros());
  }

  private talkOnSchedule(rate: number): void {
    const { crowd, talkers, lateness } = this;
    const period = 1_000_000 / rate;
    const start = crowd.micros();
    let count = 0;
    const turn = (): void => {
      if (!this.talking) return;
      const now = crowd.micros();
      for (let at = start + count * period; at <= now; at = start + count * period) {
        lateness.record(Math.max(1, Math.floor(now - at)));
        this.say(talkers[count % talkers.length]!, 1, Math.floor(at));
        count++;
      }
      if (rate >= SPIN_FROM) setImmediate(turn);
      else setTimeout(turn, 1);
    };
    this.talking = true;
    turn();
  }

  private say(connection: LoadConnection, count: number, at: number): void {
    if (connection.phase !== "ready") return;
    const stamp = this.stamps.get(connection.dialect)!;
    for (let left = count; left > 0; left -= BATCH) {
      this.crowd.write(connection, stamp(Math.min(left, BATCH), connection.index, at));
    }
    this.messages += count;
    this.expected += count * this.crowd.readers[connection.channel]!;
  }

  private arrived(connection: LoadConnection, bytes: Uint8Array, textAt: number): void {
    if (connection.stalled) return;
    this.received++;
    this.latency.record(Math.max(1, this.crowd.now - timeOf(bytes, textAt)));
    if (senderOf(bytes, textAt) === connection.index) connection.own++;
  }

  /** A rejected message reaches nobody, and nothing follows it in a closed loop. */
  private rejected({ channel }: LoadConnection): void {
    this.refused++;
    this.expected -= this.crowd.readers[channel]!;
  }

  /** In a closed loop, each own message that returns is followed by the next. */
  private goOn(connection: LoadConnection): void {
    const { own } = connection;
    connection.own = 0;
    if (own > 0 && this.looping) this.say(connection, own, this.crowd.now);
  }
}
