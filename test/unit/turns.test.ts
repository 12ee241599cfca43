import { describe, expect, test } from "bun:test";
import { Peer } from "../../src/edge/peer.ts";
import { Turns } from "../../src/edge/turns.ts";
import { hold } from "../../src/node/channels.ts";

/** A peer whose frames are written down as they are handled. */
function setup() {
  const done: string[] = [];
  const peer = new Peer(hold(new Map(), "a"), true, 0);
  const turns = new Turns({
    handle: (_, frame) => void done.push(String(frame)),
    fail: (_, error) => void done.push(String(error)),
    settled: () => void done.push("settled"),
  });
  return { done, peer, turns };
}

type Answered = (then: () => void) => void;

/** Asks something whose answer the test gives. */
function ask({ turns, peer }: ReturnType<typeof setup>): Answered {
  let answered: Answered | undefined;
  turns.hold(peer, (later) => (answered = later));
  return answered!;
}

describe("frames", () => {
  test("wait for an answer, and are handled behind it in their order", () => {
    const all = setup();
    const { done, peer, turns } = all;
    const answered = ask(all);
    for (const frame of ["1", "2"]) turns.receive(peer, frame);
    expect(done).toEqual([]);
    answered(() => done.push("answer"));
    turns.receive(peer, "3");
    expect(done).toEqual(["answer", "1", "2", "3"]);
  });

  test("wait for nothing if the answer comes at once", () => {
    const { done, peer, turns } = setup();
    turns.hold(peer, (answered) => answered(() => done.push("answer")));
    turns.receive(peer, "1");
    expect(done).toEqual(["answer", "1"]);
  });

  test("are dropped once their connection is closed", () => {
    const all = setup();
    const { done, peer, turns } = all;
    const answered = ask(all);
    turns.receive(peer, "1");
    peer.closed = true;
    answered(() => done.push("answer"));
    expect(done).toEqual(["answer", "settled"]);
  });
});

test("an answer that cannot be handled fails its own peer, and no longer holds it", () => {
  const all = setup();
  ask(all)(() => {
    throw new Error("broken");
  });
  expect([all.done, all.peer.waiting]).toEqual([["Error: broken"], false]);
});

test("a question that cannot be asked holds nobody", () => {
  const { peer, turns } = setup();
  const broken = () => {
    throw new Error("broken");
  };
  expect(() => turns.hold(peer, broken)).toThrow("broken");
  expect(peer.waiting).toBe(false);
});
