import { expect, test } from "bun:test";
import {
  spendMessage,
  Visitors,
  visitorLimits,
  type VisitorsData,
} from "../../src/auth/visitors.ts";

const limits = visitorLimits({
  ipConnections: 3,
  ipConnectionRate: 1,
  ipConnectionBurst: 5,
  ipMessageRate: 1,
  ipMessageBurst: 5,
  ipChannelRate: 1,
  ipChannelBurst: 2,
});

test("an address has so many connections, and another one its own", () => {
  const visitors = new Visitors(new Map(), limits);
  const all = ["a", "a", "a", "a", "b"].map((network) => visitors.enter(network, 0));
  expect(all.map((one) => ("setting" in one ? one.setting : "in"))).toEqual([
    "in",
    "in",
    "in",
    "IP_CONNECTIONS",
    "in",
  ]);
  if ("network" in all[0]!) visitors.leave(all[0]);
  expect(visitors.enter("a", 0)).toHaveProperty("network");
});

test("an address connects so many times at once, then at the rate, and hears when", () => {
  const visitors = new Visitors(new Map(), limits);
  const tryAt = (now: number) => {
    const visitor = visitors.enter("a", now);
    if ("network" in visitor) visitors.leave(visitor);
    return "setting" in visitor ? `${visitor.setting} ${visitor.retryAfter}` : "in";
  };
  const five = Array.from({ length: 5 }, () => tryAt(0));
  expect(new Set(five)).toEqual(new Set(["in"]));
  expect(tryAt(0)).toBe("IP_CONNECTION_RATE 1");
  expect(tryAt(1000)).toBe("in");
});

test("refusals are reported once a minute, with their number", () => {
  const visitors = new Visitors(new Map(), limits);
  for (let n = 0; n < 3; n++) visitors.enter("a", 0);
  const refusedAt = (now: number) => {
    const one = visitors.enter("a", now);
    return "setting" in one ? one.refused : undefined;
  };
  expect([0, 1, 2, 60_000, 60_001].map(refusedAt)).toEqual([1, 0, 0, 3, 0]);
});

test("an address with no connections and full buckets is forgotten", () => {
  const data: VisitorsData = new Map();
  const visitors = new Visitors(data, limits);
  const visitor = visitors.enter("a", 0);
  visitors.sweep(60_000);
  expect(data.size).toBe(1);
  if ("network" in visitor) visitors.leave(visitor);
  visitors.sweep(500);
  expect(data.size).toBe(1);
  visitors.sweep(1000);
  expect(data.size).toBe(0);
});

test("what a connection would be refused for is told without counting it", () => {
  const visitors = new Visitors(new Map(), limits);
  for (let n = 0; n < 3; n++) {
    expect(visitors.refusal("a", 0)).toBeUndefined();
    visitors.enter("a", 0);
  }
  expect(visitors.refusal("a", 0)).toEqual({ setting: "IP_CONNECTIONS", retryAfter: 10 });
  expect(visitors.refusal("b", 0)).toBeUndefined();
});

test("first messages into silent channels have a limit of their own, which no other message spends", () => {
  const visitor = new Visitors(new Map(), limits).enter("a", 0);
  if ("setting" in visitor) throw new Error(visitor.setting);
  const spend = (begins: boolean, now = 0) => spendMessage(visitor, begins, limits, now);
  expect([spend(true), spend(true), spend(true)]).toEqual([
    undefined,
    undefined,
    "IP_CHANNEL_RATE",
  ]);
  expect([spend(false), spend(false), spend(false)]).toEqual([undefined, undefined, undefined]);
  expect(spend(false)).toBe("IP_MESSAGE_RATE");
  expect(spend(true, 1000)).toBeUndefined();
});
