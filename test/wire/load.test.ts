import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { faultOf } from "../bench/own-server.ts";
import { PLAIN, V1 } from "../bench/load-wire.ts";
import { Crowd, type LoadConnection } from "../bench/load-crowd.ts";
import type { LoadPlan } from "../bench/load-plan.ts";
import { Load } from "../bench/load.ts";
import { serve } from "../helpers/server.ts";
import { startShoal } from "../helpers/shoal.ts";

/** These tests check that the load counts correctly. How fast anything is depends on the machine. */

const BENCH = resolve(import.meta.dir, "../bench/bench.ts");
const NO_LIMIT = { messageRate: 0 };
const WINDOW = { warmup: 0.05, seconds: 0.2 };

function planOf(url: string, plan: Partial<LoadPlan> = {}): LoadPlan {
  return {
    ...{ url, connections: 12, channels: 3, talkers: 2, dialects: [PLAIN], textLength: 48 },
    pace: { inFlight: 2 },
    ...plan,
  };
}

describe("a load", () => {
  const kinds: Record<string, Partial<LoadPlan>> = {
    "plain, in a closed loop": {},
    "shoal.v1, in a closed loop": { dialects: [V1] },
    "both at once, on a schedule": { dialects: [PLAIN, V1], pace: { rate: 300 } },
    "on a slow schedule": { pace: { rate: 40 } },
    "on a schedule behind a closed loop": { pace: { rate: 300, hot: true } },
    "many in flight": { pace: { inFlight: 40 } },
    "texts longer than a read": { textLength: 60_000, pace: { inFlight: 1 } },
    "channels of unequal size": { connections: 11 },
  };
  for (const [kind, plan] of Object.entries(kinds)) {
    test(`counts every delivery: ${kind}`, async () => {
      await using server = await serve({ ...NO_LIMIT, textLimit: 60_000 });
      const load = new Load(planOf(server.ws, plan));
      await load.open();
      const figures = await load.drive(WINDOW);
      await load.close();
      expect(figures).toMatchObject({ received: figures.expected, refused: 0, closed: 0 });
      expect(figures.deliveries).toBeGreaterThan(0);
      expect(figures.latency.p50).toBeGreaterThan(0);
      expect(figures.latency.p999).toBeGreaterThanOrEqual(figures.latency.p50);
    });
  }

  test.each([false, true])("keeps to its schedule (hot: %p)", async (hot) => {
    await using server = await serve(NO_LIMIT);
    const plan = { connections: 3, talkers: 1, pace: { rate: 200, hot } };
    const load = new Load(planOf(server.ws, plan));
    await load.open();
    const started = performance.now();
    const { messages, received, expected } = await load.drive({ warmup: 0, seconds: 0.5 });
    const elapsed = (performance.now() - started) / 1000;
    await load.close();
    // A busy machine may send late and catch up, but it never sends more than is due.
    expect(expected).toBeGreaterThan(0);
    expect(messages).toBeLessThanOrEqual(200 * elapsed + 2);
    expect(received).toBe(expected);
  });

  test("reconnects after all connections were dropped, and takes the names back", async () => {
    await using server = await serve(NO_LIMIT);
    const load = new Load(planOf(server.ws, { dialects: [V1] }));
    await load.open();
    await load.reopen();
    const { expected, received } = await load.drive(WINDOW);
    await load.close();
    expect(received).toBe(expected);
  });

  test("answers heartbeats to keep its names", async () => {
    await using server = await serve({ ...NO_LIMIT, heartbeatInterval: 0.3 });
    const load = new Load(planOf(server.ws, { pace: { rate: 50 } }));
    await load.open();
    const { refused, closed } = await load.drive({ warmup: 0, seconds: 0.8 });
    await load.close();
    expect({ refused, closed }).toEqual({ refused: 0, closed: 0 });
  });

  test("counts what the server rejects", async () => {
    await using server = await serve({ messageRate: 1, messageBurst: 3 });
    const load = new Load(planOf(server.ws, { pace: { inFlight: 10 } }));
    await load.open();
    const { refused, expected, received } = await load.drive(WINDOW);
    await load.close();
    expect(refused).toBeGreaterThan(0);
    // A rejected message reaches nobody.
    expect(received).toBe(expected);
  });

  test("does not expect deliveries to stalled readers", async () => {
    await using server = await serve(NO_LIMIT);
    const load = new Load(planOf(server.ws, { stalled: 1 }));
    await load.open();
    const { expected, received } = await load.drive(WINDOW);
    await load.close();
    expect(received).toBe(expected);
  });

  test("notices that the server disconnected stalled readers", async () => {
    await using server = await serve({ ...NO_LIMIT, textLimit: 60_000, sendBuffer: 1024 });
    const plan = { connections: 4, channels: 1, textLength: 60_000, pace: { inFlight: 8 } };
    const load = new Load(planOf(server.ws, { ...plan, stalled: 1 }));
    await load.open();
    let closed = 0;
    // How long it takes to fill the buffers in between depends on the machine.
    for (let seconds = 1; closed === 0; seconds *= 2) {
      const figures = await load.drive({ warmup: 0, seconds });
      expect(figures.received).toBe(figures.expected);
      closed = figures.closed;
    }
    await load.close();
    expect(closed).toBe(1);
  });

  test("ends when the server has closed all connections", async () => {
    for (const pace of [{ rate: 300 }, { rate: 300, hot: true }, { inFlight: 2 }]) {
      await using server = await serve(NO_LIMIT);
      const load = new Load(planOf(server.ws, { pace }));
      await load.open();
      const driven = load.drive({ warmup: 3600, seconds: 3600 });
      await server.drain();
      await expect(driven).rejects.toThrow("closed all connections");
      await load.close();
    }
  });

  test("counts and keeps no message for a closed connection", async () => {
    await using server = await serve(NO_LIMIT);
    const plan = planOf(server.ws, { channels: 1, connections: 2 });
    const ignore = () => undefined;
    const crowd = new Crowd(plan, { onMessage: ignore, onRefusal: ignore, afterRead: ignore });
    const [one, two] = crowd.connections as [LoadConnection, LoadConnection];
    await Promise.all([crowd.connect(one), crowd.connect(two)]);
    expect([...crowd.readers]).toEqual([2]);
    crowd.write(one, new Uint8Array(16 * 1024 * 1024));
    expect(one.unsent).toBeDefined();
    await server.drain();
    while (crowd.closed < 2) await Bun.sleep(1);
    crowd.write(one, new Uint8Array(1000));
    crowd.write(two, new Uint8Array(1000));
    expect([one.unsent, two.unsent]).toEqual([undefined, undefined]);
    expect([...crowd.readers]).toEqual([0]);
  });

  test("says why it cannot connect", async () => {
    await using server = await serve();
    const load = new Load(planOf(`${server.ws}/-`));
    await expect(load.open()).rejects.toThrow("404");
  });
});

describe("bun run bench -- URL", () => {
  function start(...args: string[]) {
    return Bun.spawn([process.execPath, BENCH, ...args], {
      env: { PATH: process.env.PATH },
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async function run(...args: string[]) {
    const { stdout, stderr, exited } = start(...args);
    const [out, err, status] = await Promise.all([stdout.text(), stderr.text(), exited]);
    return { out, err, status };
  }

  test("measures a server with default settings", async () => {
    const shoal = await startShoal();
    const { out, err, status } = await run(shoal.http, "--seconds", "0.3", "--connections", "20");
    await shoal.end();
    expect(out).toContain("20 connections in 10 channels, plain");
    expect(out).toMatch(/latency +p50 \d/);
    expect(out).toMatch(/missing +0 of \d/);
    expect(out).not.toContain("rejected");
    expect([err, status]).toEqual(["", 0]);
  });

  test("speaks shoal.v1, as fast as the server answers", async () => {
    const shoal = await startShoal({ env: { MESSAGE_RATE: "0" } });
    const flags = ["--v1", "--channels=2", "--talkers=10", "--rate=0", "--seconds=0.3"];
    const { out, err, status } = await run(`${shoal.ws}/deep/down`, ...flags);
    await shoal.end();
    expect(out).toContain("100 connections in 2 channels, v1");
    expect(out).toMatch(/missing +0 of \d/);
    expect([err, status]).toEqual(["", 0]);
  });

  test("reports rejected messages apart from missing ones", async () => {
    const shoal = await startShoal({ env: { MESSAGE_RATE: "1", MESSAGE_BURST: "20" } });
    // Over the limit after a while, but not all the time.
    const flags = ["--connections=2", "--channels=1", "--talkers=1", "--rate=10", "--seconds=3"];
    const { out, err, status } = await run(shoal.ws, ...flags);
    await shoal.end();
    expect([err, status]).toEqual(["", 0]);
    const [, whole] = out.split("The whole run, including 1 s of warm-up:");
    expect(whole).toMatch(/^missing +0 of \d+ deliveries$/m);
    expect(whole).toMatch(/^rejected +\d+ messages; see MESSAGE_RATE, or --rate$/m);
  });

  test("says why nothing was measured, and what to do", async () => {
    // Taking a name uses up the only frame.
    const shoal = await startShoal({ env: { MESSAGE_RATE: "0.001", MESSAGE_BURST: "1" } });
    const args = ["--connections=10", "--seconds=0.3", "--rate=0"];
    const { out, err, status } = await run(shoal.ws, ...args);
    await shoal.end();
    expect(err).toMatch(/^bench: No message .* 10 messages were rejected.*MESSAGE_RATE=0.*\n$/);
    expect(out).toMatch(/^10 connections .*\n$/);
    expect(status).toBe(1);
    expect(faultOf({ deliveries: 0, refused: 0 })).toContain("a higher --rate");
    expect(faultOf({ deliveries: 1, refused: 9 })).toBeUndefined();
  });

  test("does not load a stranger's server by mistake", async () => {
    for (const url of [
      "ws://192.0.2.1:6060/",
      "https://chat.example/",
      "ws://127.0.0.1.example/",
    ]) {
      const { out, err, status } = await run(url);
      expect(err).toContain("--yes-i-own-it");
      expect([out, status]).toEqual(["", 2]);
    }
  });

  test("rejects values out of bounds", async () => {
    const url = "ws://127.0.0.1:1/";
    for (const flag of [
      "--connections=20001",
      "--connections=0",
      "--connections=1.5",
      "--seconds=61",
      "--rate=fast",
      "--channels=101",
      "--talkers=11",
      "--nonsense",
    ]) {
      const { out, err, status } = await run(url, flag);
      expect(err).toMatch(/^bench: .*\.\n$/);
      expect([out, status]).toEqual(["", 2]);
    }
    expect((await run("nonsense")).status).toBe(2);
  });

  test("says when the server goes away during the run", async () => {
    const shoal = await startShoal();
    const { stdout, stderr, exited } = start(shoal.ws, "--seconds=60");
    const reader = stdout.getReader();
    await reader.read();
    await shoal.end("SIGKILL");
    expect(await stderr.text()).toMatch(/^bench: .*closed all connections.*\n$/);
    expect(await exited).toBe(1);
    expect((await reader.read()).done).toBeTrue();
  });

  test("says when there is no server", async () => {
    const { out, err, status } = await run("ws://127.0.0.1:1/");
    expect(err).toStartWith("bench: ");
    expect([out, status]).toEqual(["", 1]);
  });
});
