import { expect, test } from "bun:test";
import fc from "fast-check";
import { Peer } from "../../src/edge/peer.ts";
import { hold } from "../../src/node/channels.ts";
import {
  type Connection,
  createWheel,
  heartbeatDue,
  identify,
  schedule,
  sweep,
  unname,
  unschedule,
  type Wheel,
} from "../../src/node/state.ts";

const INTERVAL = 30_000;
const ANN = { shown: "Ann", key: "ann" };

function arriveIn(wheel: Wheel<Connection>, random: number): Connection {
  const connection = new Peer(hold(new Map(), "a"), false, 0);
  schedule(wheel, connection, random);
  return connection;
}

/** When each heartbeat of a connection comes, for as long, on a timer with this period. */
function heartbeats(random: number, start: number, end: number, period: number): number[] {
  const wheel = createWheel<Connection>(INTERVAL, start);
  const connection = arriveIn(wheel, random);
  const times: number[] = [];
  for (let now = start; now <= end; now += period) {
    sweep(wheel, now, (due) => {
      expect(due).toBe(connection);
      times.push(now - start);
    });
  }
  return times;
}

test("the first heartbeat comes within an interval, the others one interval apart", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.integer({ min: 0, max: 1e9 }),
      (random, start) => {
        const times = heartbeats(random, start, start + 5 * INTERVAL, 100);
        expect(times.length).toBeGreaterThanOrEqual(4);
        expect(times[0]!).toBeGreaterThan(0);
        expect(Math.abs(times[0]! - random * INTERVAL)).toBeLessThanOrEqual(300);
        for (let n = 1; n < times.length; n++) {
          expect(Math.abs(times[n]! - times[n - 1]! - INTERVAL)).toBeLessThanOrEqual(100);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test("heartbeats keep their pace, however late the timer is", () => {
  for (const late of [100, 250, 300, 500, 1000, 3000, INTERVAL / 3]) {
    const times = heartbeats(0.5, 0, 20 * INTERVAL, late);
    expect(times.length).toBeWithin(18, 21);
  }
});

test("after any pause, there is half an interval to answer", () => {
  const pauses = fc.array(fc.oneof(fc.integer({ min: 0, max: 500 }), fc.nat(5 * INTERVAL)));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), pauses, (random, all) => {
      const wheel = createWheel<Connection>(INTERVAL, 0);
      arriveIn(wheel, random);
      const times: number[] = [];
      let now = 0;
      for (const pause of all) {
        now += pause;
        for (let ticks = 0; ticks < 20; ticks++, now += 100)
          sweep(wheel, now, () => times.push(now));
      }
      for (let n = 1; n < times.length; n++) {
        expect(times[n]! - times[n - 1]!).toBeGreaterThanOrEqual(INTERVAL / 2 - 100);
      }
    }),
  );
});

test("notes when the process went on after a pause of more than half an interval", () => {
  const wheel = createWheel<Connection>(INTERVAL, 0);
  for (let now = 0; now <= 5000; now += 100) sweep(wheel, now, () => {});
  expect(wheel.wokeAt).toBe(0);
  sweep(wheel, 5000 + INTERVAL / 2, () => {});
  expect(wheel.wokeAt).toBe(0);
  sweep(wheel, 5000 + 3 * INTERVAL, () => {});
  expect(wheel.wokeAt).toBe(5000 + 3 * INTERVAL);
});

test("connections that come at once are spread over the interval", () => {
  const wheel = createWheel<Connection>(INTERVAL, 0);
  for (let n = 0; n < 20_000; n++) arriveIn(wheel, Math.random());
  let most = 0;
  for (let now = 100; now <= INTERVAL; now += 100) {
    let due = 0;
    sweep(wheel, now, () => due++);
    most = Math.max(most, due);
  }
  expect(most).toBeLessThan(200);
});

test("the wheel holds exactly the connections that are here, whoever comes and goes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.double({ min: 0, max: 0.999, noNaN: true })), {
        maxLength: 200,
      }),
      (steps) => {
        const wheel = createWheel<Connection>(100, 0);
        const here: Connection[] = [];
        for (const [comes, random] of steps) {
          if (comes) here.push(arriveIn(wheel, random));
          else if (here.length > 0) {
            unschedule(wheel, here.splice(Math.floor(random * here.length), 1)[0]!);
          }
        }
        const due = new Set<Connection>();
        for (let now = 10; now <= 100; now += 10) {
          sweep(wheel, now, (connection) => due.add(connection));
        }
        expect(due).toEqual(new Set(here));
        for (const connection of here) unschedule(wheel, connection);
        expect(wheel.slots.flat()).toEqual([]);
      },
    ),
  );
});

test("a connection that ends at its own heartbeat does not keep others from theirs", () => {
  const wheel = createWheel<Connection>(100, 0);
  for (let n = 0; n < 50; n++) arriveIn(wheel, 0.5);
  let due = 0;
  for (let now = 10; now <= 100; now += 10) {
    sweep(wheel, now, (connection) => {
      due++;
      if (due % 2 === 0) unschedule(wheel, connection);
    });
  }
  expect(due).toBe(50);
});

test("a name is lost by one unanswered heartbeat, but not by one sent before the name was granted", () => {
  const wheel = createWheel<Connection>(INTERVAL, 0);
  const connection = arriveIn(wheel, 0);
  expect(heartbeatDue(connection)).toBe(false);
  expect(heartbeatDue(connection)).toBe(false);
  identify(connection, ANN);
  expect(heartbeatDue(connection)).toBe(false);
  connection.awaited = false;
  expect(heartbeatDue(connection)).toBe(false);
  identify(connection, { shown: "ANN", key: "ann" });
  expect(heartbeatDue(connection)).toBe(true);
  unname(connection);
  expect(heartbeatDue(connection)).toBe(false);
  identify(connection, ANN);
  expect(heartbeatDue(connection)).toBe(false);
});
