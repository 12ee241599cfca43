import { beforeEach, describe, expect, test } from "bun:test";
import { Flow, STEP } from "../../src/edge/flow.ts";
import { Peer } from "../../src/edge/peer.ts";
import type { Log } from "../../src/log.ts";
import { type Channel, groupOf, hold, publishTo } from "../../src/node/channels.ts";

const AUDIENCE = { kind: "v1", encode: () => "", publish() {}, gap: undefined };
const TOTAL = 10 * STEP;

interface Fake {
  readonly peer: Peer;
  readonly pings: string[];
  /** Answers the last ping, as whoever has read it does. */
  pong(): boolean;
}

let channel: Channel;
let flow: Flow;
let slot: Peer[];
let now: number;
let lines: object[];
let cut: Peer[];

beforeEach(() => {
  channel = hold(new Map(), "a");
  [slot, lines, cut, now] = [[], [], [], 0];
  const log = { info: (event: string, details: object) => lines.push({ event, ...details }) };
  flow = new Flow(TOTAL, log as unknown as Log, now);
});

function enter(): Fake {
  const peer = new Peer(channel, true, 0);
  const pings: string[] = [];
  const terminate = () => {
    peer.closed = true;
    slot.splice(slot.indexOf(peer), 1);
    cut.push(peer);
  };
  const ping = (payload: string) => pings.push(payload);
  peer.ws = { ping, terminate, send: (frame: string) => frame.length } as unknown as Peer["ws"];
  peer.group = groupOf(channel, AUDIENCE);
  flow.enter(peer);
  peer.acked = peer.position;
  slot.push(peer);
  return { peer, pings, pong: () => flow.acknowledge(peer, Buffer.from(pings.at(-1)!)) };
}

function pass(ms: number): void {
  for (const end = now + ms; now < end;) flow.sweep([slot], (now += 100));
}

function bytes(count: number): string {
  return "x".repeat(count);
}

describe("progress", () => {
  test("a peer is pinged after each step that it was sent, alone or with its group", () => {
    const { peer, pings, pong } = enter();
    peer.send(bytes(STEP - 1000));
    pass(100);
    expect(pings).toHaveLength(0);
    publishTo(peer.group!, bytes(1000));
    pass(1000);
    expect(pings).toHaveLength(1);
    expect(pong()).toBe(true);
    expect(peer.inFlight).toBe(0);
    expect(pong()).toBe(false);
  });

  test("counts bytes, not characters", () => {
    const { peer } = enter();
    publishTo(peer.group!, "語".repeat(1000));
    expect(peer.inFlight).toBe(3000);
  });

  test("what was sent after a ping stays in flight, and is asked for at once", () => {
    const { peer, pings, pong } = enter();
    peer.send(bytes(STEP));
    pass(100);
    peer.send(bytes(2 * STEP));
    pong();
    expect(peer.inFlight).toBe(2 * STEP);
    expect(pings).toHaveLength(2);
    expect(pings[0]).not.toBe(pings[1]);
  });

  test("a pong that was not asked for is none", () => {
    const { peer } = enter();
    peer.send(bytes(STEP));
    pass(100);
    for (const forged of ["", "x", crypto.randomUUID()]) {
      expect(flow.acknowledge(peer, Buffer.from(forged))).toBe(false);
    }
    expect(peer.inFlight).toBe(STEP);
  });

  test("without progress for 15 s, a peer is disconnected", () => {
    const { peer } = enter();
    peer.send(bytes(STEP));
    pass(14_900);
    expect(cut).toEqual([]);
    pass(300);
    expect(cut).toEqual([peer]);
  });

  test("a page of 256 KiB may take as long as it does at 8 KiB per second", () => {
    const { peer, pong } = enter();
    for (let n = 0; n < 5; n++) {
      peer.send(bytes(4 * STEP));
      flow.probe(peer);
      pass(32_000);
      pong();
    }
    peer.send(bytes(4 * STEP));
    flow.probe(peer);
    pass(38_000);
    expect(cut).toEqual([]);
    pass(2000);
    expect(cut).toEqual([peer]);
  });

  test("neither a pause of the process counts, nor the wait for an answer of the broker", () => {
    const { peer } = enter();
    peer.send(bytes(STEP));
    pass(100);
    now += 3_600_000;
    pass(1000);
    peer.waiting = true;
    pass(60_000);
    peer.waiting = false;
    pass(10_000);
    expect(cut).toEqual([]);
  });

  test("a quiet server looks at each peer within ten sweeps, a busy one at all in each", () => {
    const fakes = Array.from({ length: 100 }, enter);
    const slots = fakes.map(({ peer }) => [peer]);
    fakes[70]!.peer.send(bytes(STEP));
    for (let n = 0; n < 10; n++) flow.sweep(slots, (now += 100));
    expect(fakes.filter(({ pings }) => pings.length > 0)).toEqual([fakes[70]!]);
    for (const { peer } of fakes) peer.send(bytes(STEP));
    flow.sweep(slots, (now += 100));
    expect(fakes.every(({ pings }) => pings.length === 1)).toBe(true);
  });
});

describe("the total", () => {
  test("the largest go until it fits, and whoever answers stays", () => {
    const reader = enter();
    const [small, ...large] = Array.from({ length: 4 }, enter) as [Fake, Fake, Fake, Fake];
    reader.peer.send(bytes(20 * STEP));
    small.peer.send(bytes(STEP));
    for (const { peer } of large) peer.send(bytes(5 * STEP));
    pass(100);
    reader.pong();
    pass(1000);
    expect(cut).toEqual(large.map(({ peer }) => peer));
    pass(5000);
    expect(cut).toHaveLength(large.length);
  });

  test("what was on its way to the disconnected counts for a while, by half", () => {
    function wave(count: number, steps: number): number {
      const before = cut.length;
      for (let n = 0; n < count; n++) enter().peer.send(bytes(steps * STEP));
      pass(1000);
      return cut.length - before;
    }
    expect(wave(2, 3)).toBe(0);
    pass(60_000);
    expect(wave(3, 4)).toBe(3);
    expect(wave(2, 3)).toBe(2);
    pass(300_000);
    expect(wave(2, 3)).toBe(0);
  });

  test("a crowd that answers is never disconnected, however much it is sent", () => {
    const crowd = Array.from({ length: 50 }, enter);
    for (let n = 0; n < 100; n++) {
      publishTo(crowd[0]!.peer.group!, bytes(STEP));
      pass(100);
      for (const { pong } of crowd) pong();
    }
    expect(cut).toEqual([]);
  });
});

test("disconnections are logged once a minute, with their number", () => {
  for (let n = 0; n < 3; n++) enter().peer.send(bytes(STEP));
  pass(16_000);
  for (let n = 0; n < 2; n++) enter().peer.send(bytes(STEP));
  pass(16_000);
  const line = { event: "slow readers disconnected", reason: "no progress", channel: "a" };
  expect(lines).toEqual([{ ...line, count: 3, inFlight: STEP }]);
  pass(60_000);
  expect(lines.slice(1)).toEqual([{ ...line, count: 2, inFlight: STEP }]);
  pass(120_000);
  expect(lines).toHaveLength(2);
});
