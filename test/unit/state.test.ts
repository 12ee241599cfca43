import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  arrive,
  type Connection,
  createState,
  enter,
  heartbeatDue,
  identify,
  leave,
  type State,
  sweep,
  unname,
} from "../../src/node/state.ts";
import { newPeer } from "../../src/connection.ts";

const INTERVAL = 30_000;
const ANN = { shown: "Ann", key: "ann" };

function arriveIn(state: State<Connection>, id: string, random: number, now = 0): Connection {
  const connection = newPeer(arrive(state.channels, id), false, now);
  enter(state, connection, random);
  return connection;
}

/** When each heartbeat of a connection comes, for as long, on a timer with this period. */
function heartbeats(random: number, start: number, end: number, period: number): number[] {
  const state = createState<Connection>(INTERVAL, start);
  const connection = arriveIn(state, "fishing", random);
  const times: number[] = [];
  for (let now = start; now <= end; now += period) {
    sweep(state, now, (due) => {
      expect(due).toBe(connection);
      times.push(now - start);
    });
  }
  return times;
}

test("the first heartbeat comes after a part of the interval, the others an interval apart", () => {
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

test("however late the timer is, heartbeats keep their pace", () => {
  for (const late of [100, 250, 300, 500, 1000, 3000, INTERVAL / 3]) {
    const times = heartbeats(0.5, 0, 20 * INTERVAL, late);
    expect(times.length).toBeWithin(18, 21);
  }
});

test("after any pauses, there is half an interval to answer", () => {
  const pauses = fc.array(fc.oneof(fc.integer({ min: 0, max: 500 }), fc.nat(5 * INTERVAL)));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), pauses, (random, all) => {
      const state = createState<Connection>(INTERVAL, 0);
      arriveIn(state, "a", random);
      const times: number[] = [];
      let now = 0;
      for (const pause of all) {
        now += pause;
        for (let ticks = 0; ticks < 20; ticks++, now += 100)
          sweep(state, now, () => times.push(now));
      }
      for (let n = 1; n < times.length; n++) {
        expect(times[n]! - times[n - 1]!).toBeGreaterThanOrEqual(INTERVAL / 2 - 100);
      }
    }),
  );
});

test("after a pause of more than half an interval, those who could not be heard are told apart", () => {
  const state = createState<Connection>(INTERVAL, 0);
  for (let now = 0; now <= 5000; now += 100) sweep(state, now, () => {});
  expect(state.wheel.wokeAt).toBe(0);
  sweep(state, 5000 + INTERVAL / 2, () => {});
  expect(state.wheel.wokeAt).toBe(0);
  sweep(state, 5000 + 3 * INTERVAL, () => {});
  expect(state.wheel.wokeAt).toBe(5000 + 3 * INTERVAL);
});

test("those who come at once are spread over the interval", () => {
  const state = createState<Connection>(INTERVAL, 0);
  for (let n = 0; n < 20_000; n++) arriveIn(state, "a", Math.random());
  let most = 0;
  for (let now = 100; now <= INTERVAL; now += 100) {
    let due = 0;
    sweep(state, now, () => due++);
    most = Math.max(most, due);
  }
  expect(most).toBeLessThan(200);
});

test("the wheel holds exactly those who are here, whoever comes and goes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.double({ min: 0, max: 0.999, noNaN: true })), {
        maxLength: 200,
      }),
      (steps) => {
        const state = createState<Connection>(100, 0);
        const here: Connection[] = [];
        for (const [comes, random] of steps) {
          if (comes) here.push(arriveIn(state, `c${here.length % 3}`, random));
          else if (here.length > 0) {
            leave(state, here.splice(Math.floor(random * here.length), 1)[0]!);
          }
        }
        const due = new Set<Connection>();
        for (let now = 10; now <= 100; now += 10) {
          sweep(state, now, (connection) => due.add(connection));
        }
        expect(due).toEqual(new Set(here));
        const held = [...state.channels.values()].reduce((sum, { plain }) => sum + plain, 0);
        expect(held).toBe(here.length);
        for (const connection of here) leave(state, connection);
        expect(state.channels.size).toBe(0);
      },
    ),
  );
});

test("one that is cut by its own heartbeat does not keep others from theirs", () => {
  const state = createState<Connection>(100, 0);
  for (let n = 0; n < 50; n++) arriveIn(state, "a", 0.5);
  let due = 0;
  for (let now = 10; now <= 100; now += 10) {
    sweep(state, now, (connection) => {
      due++;
      if (due % 2 === 0) leave(state, connection);
    });
  }
  expect(due).toBe(50);
});

test("a name is lost by one unanswered heartbeat, but not by one from before it", () => {
  const state = createState<Connection>(INTERVAL, 0);
  const connection = arriveIn(state, "a", 0);
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
