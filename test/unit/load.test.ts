import { expect, test } from "bun:test";
import { Peer } from "../../src/edge/peer.ts";
import { hold } from "../../src/node/channels.ts";
import { Load } from "../../src/node/load.ts";

/** People who each say something at the same rate in channels of the same size. */
interface Crowd {
  readonly people: number;
  /** Messages a second of each. */
  readonly rate: number;
  readonly listeners: number;
  readonly bytes: number;
}

interface Talker extends Crowd {
  readonly peer: Peer;
  dueAt: number;
  sent: number;
  refused: number;
}

/**
 * A made-up server: each turn of its event loop takes what has come by then, and lasts as long as it
 * takes to deliver what was admitted.
 */
class Machine {
  readonly load = new Load();
  now = 1000;
  /** Bytes that it can deliver in a millisecond, with 1,000 for each send. */
  readonly #speed: number;
  readonly #talkers: Talker[] = [];
  #tickAt = 1000;

  constructor(speed: number) {
    this.#speed = speed;
  }

  join(crowd: Crowd): Talker[] {
    const talkers = Array.from({ length: crowd.people }, (_, n) => ({
      ...crowd,
      peer: new Peer(hold(new Map(), "a"), true, this.now),
      dueAt: this.now + (1000 / crowd.rate) * (n / crowd.people),
      sent: 0,
      refused: 0,
    }));
    this.#talkers.push(...talkers);
    return talkers;
  }

  /** @returns the share of the time that it was busy, and how long the longest turn took */
  run(seconds: number): { busy: number; longest: number } {
    for (const talker of this.#talkers) talker.sent = talker.refused = 0;
    const until = this.now + 1000 * seconds;
    let busy = 0;
    let longest = 0;
    while (this.now < until) {
      const took = this.#turn();
      busy += took / (1000 * seconds);
      longest = Math.max(longest, took);
      this.now += took + 1;
      if (this.now < this.#tickAt) continue;
      this.load.tick(this.now);
      this.#tickAt = this.now + 100;
    }
    return { busy, longest };
  }

  #turn(): number {
    let took = 0;
    for (const talker of this.#talkers) {
      const { peer, rate, listeners, bytes } = talker;
      for (; talker.dueAt <= this.now; talker.dueAt += 1000 / rate) {
        talker.sent++;
        if (!this.load.admits(peer, listeners, bytes, this.now)) talker.refused++;
        else took += (listeners * (1000 + bytes)) / this.#speed;
      }
    }
    return took;
  }
}

function refused(talkers: Talker[]): number {
  const sum = (of: "sent" | "refused") => talkers.reduce((all, talker) => all + talker[of], 0);
  return sum("refused") / sum("sent");
}

const SHORT: Crowd = { people: 1000, rate: 10, listeners: 1000, bytes: 70 };
const LONG: Crowd = { people: 400, rate: 10, listeners: 400, bytes: 12_000 };
const SAME_CHANNEL: Crowd = { people: 4, rate: 5, listeners: 1000, bytes: 70 };
const ELSEWHERE: Crowd = { people: 40, rate: 5, listeners: 10, bytes: 70 };

const floods = [1e5, 2e5, 5e5, 2e6, 8e6].flatMap((speed) => [
  { name: "short", speed, flood: SHORT },
  { name: "long", speed, flood: LONG },
]);

test.each(floods)(
  "a flood of $name messages keeps a machine of $speed busy, and its turns short",
  ({ speed, flood }) => {
    const machine = new Machine(speed);
    const same = machine.join(SAME_CHANNEL);
    const elsewhere = machine.join(ELSEWHERE);
    machine.run(5);
    const attackers = machine.join(flood);
    machine.run(3);
    expect(refused(elsewhere)).toBe(0);
    const { busy, longest } = machine.run(20);
    console.log(
      speed,
      flood.people,
      busy.toFixed(2),
      longest.toFixed(0),
      refused(attackers).toFixed(2),
      refused(same).toFixed(3),
      refused(elsewhere),
    );
    expect(busy).toBeWithin(0.7, 1);
    expect(longest).toBeLessThan(250);
    expect(refused(attackers)).toBeGreaterThan(0.2);
    expect(refused(same)).toBeLessThan(0.01);
    expect(refused(elsewhere)).toBe(0);
  },
);

test("nobody is refused when the machine can deliver it all", () => {
  const machine = new Machine(2e6);
  const crowd = machine.join({ people: 1000, rate: 0.1, listeners: 1000, bytes: 300 });
  const talker = machine.join({ people: 1, rate: 10, listeners: 1000, bytes: 2000 });
  machine.run(30);
  expect(refused(crowd)).toBe(0);
  expect(refused(talker)).toBe(0);
});

test("newcomers who all talk at once take no longer turn than others", () => {
  const machine = new Machine(1e6);
  for (let n = 0; n < 5; n++) {
    machine.join({ people: 1000, rate: 1000, listeners: 1000, bytes: 70 });
    expect(machine.run(0.1).longest).toBeLessThan(250);
  }
});

/** How many messages of as many newcomers are admitted at once. */
function admittedAtOnce(load: Load, now: number): number {
  const peers = Array.from({ length: 1000 }, () => new Peer(hold(new Map(), "a"), true, now));
  return peers.filter((peer) => load.admits(peer, 1000, 70, now)).length;
}

function burst(prepare: (load: Load) => void): number {
  const load = new Load();
  load.tick(1000);
  prepare(load);
  load.tick(1_000_000);
  load.tick(1_000_100);
  return admittedAtOnce(load, 1_000_100);
}

test("a pause of the whole process says nothing about the machine", () => {
  const usual = burst(() => {});
  expect(usual).toBeWithin(20, 200);
  const peer = new Peer(hold(new Map(), "a"), true, 0);
  // A message before the pause, and one that is the first thing after it.
  const paused = burst((load) => {
    for (const now of [1010, 20_000]) expect(load.admits(peer, 1000, 70, now)).toBe(true);
    load.tick(20_000);
  });
  expect(paused).toBe(usual);
});

test("the slowest machine still delivers a message when nothing else waits", () => {
  const load = new Load();
  let now = 1000;
  for (let n = 0; n < 100; n++, now += 500) {
    load.tick(now);
    admittedAtOnce(load, now);
  }
  load.tick(now);
  expect(admittedAtOnce(load, now)).toBeWithin(1, 20);
});
