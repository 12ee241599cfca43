import { expect, test } from "bun:test";
import { decide, type Rules } from "../../src/commands/decide.ts";
import { createSessions } from "../../src/auth/sessions.ts";
import { socketAudiences } from "../../src/node/audiences.ts";
import { groupOf, hold } from "../../src/node/channels.ts";
import { Load } from "../../src/node/load.ts";
import { type Connection, identify } from "../../src/node/state.ts";
import { Peer } from "../../src/edge/peer.ts";
import { rate } from "../../src/protocol/bucket.ts";

const NONE = rate(0, 1);
const rules: Rules = {
  textLimit: 10,
  frames: rate(10, 1),
  heartbeats: rate(10, 100),
  visitors: { connections: 0, connects: NONE, messages: rate(1, 5), channels: NONE },
  load: undefined,
  sessions: createSessions(new Uint8Array(32)),
};

function connection(v1 = false): Connection {
  return new Peer(hold(new Map(), "a"), v1, 0);
}

/** Sends frames at these times. @returns what became of each */
function outcomes(times: number[]): string[] {
  const one = connection();
  return times.map((now) => decide(one, "x", now, rules).do);
}

test("100 refusals within 10 seconds end a connection, wherever the 10 seconds begin", () => {
  const every = (ms: number, count: number) =>
    Array.from({ length: count }, (_, n) => 1000 + n * ms);
  // The first takes the only token, and one comes back each 100 ms.
  expect(outcomes([1000, ...every(0, 100)]).filter((done) => done === "close").length).toBe(1);
  expect(outcomes([1000, ...every(0, 99)])).not.toContain("close");
  expect(outcomes([...every(0, 61), ...every(0, 61).map((now) => now + 9_950)])).toContain("close");
  expect(outcomes(every(60, 2000))).not.toContain("close");
  expect(
    outcomes([1000, ...every(0, 60), ...every(0, 39).map((now) => now + 10_050), 21_100]),
  ).not.toContain("close");
});

test("what is published is the text as a JSON literal, and only shoal.v1 has refs", () => {
  for (const v1 of [false, true]) {
    const one = connection(v1);
    identify(one, { shown: "Ann", key: "ann" });
    const frame = '{"type":"message","text":"a\\"\\ud800","ref":"r","user":"eve"}';
    expect(decide(one, frame, 1000, rules)).toEqual({
      do: "publish",
      text: '"a\\"\\ud800"',
      ref: v1 ? "r" : undefined,
    });
  }
});

test("a removal counts as a message for the machine, too", () => {
  const load = new Load();
  const one = connection(true);
  one.session = "s";
  const [audience] = Object.values(socketAudiences(() => {}));
  groupOf(one.channel, audience!).count = 100;
  const remove = () => decide(one, '{"type":"delete","id":1}', 1000, { ...rules, load }).do;
  // More than the machine can do in seconds.
  load.admits(connection(), 1e6, 2000, 1000);
  expect(remove()).toBe("reply");
});

test("a session that the client has is kept, one that it presents and that is ours goes before", () => {
  const one = connection(true);
  const ask = (session?: string) => {
    const outcome = decide(one, JSON.stringify({ type: "identity", user: "ann", session }), 1e6, {
      ...rules,
      frames: rate(0, 1),
    });
    return outcome.do === "claim" ? outcome.session : undefined;
  };
  const fresh = ask();
  expect(fresh).toBeString();
  expect(ask()).not.toBe(fresh!);
  one.session = fresh;
  expect(ask()).toBe(fresh!);
  expect(ask("not ours")).toBe(fresh!);
  const other = rules.sessions.create();
  expect(ask(rules.sessions.tokenOf(other))).toBe(other);
});
