import { beforeEach, describe, expect, test } from "bun:test";
import type { Roster } from "../../src/broker/broker.ts";
import { Peer } from "../../src/edge/peer.ts";
import { socketAudiences } from "../../src/node/audiences.ts";
import type { Audience, Channel, Group } from "../../src/node/channels.ts";
import { createNodeData, type Listener, Node } from "../../src/node/node.ts";
import { GATHER } from "../../src/node/presence.ts";
import { identify } from "../../src/node/state.ts";
import { IDENTITY_REFUSED, identityRefusedV1 } from "../../src/protocol/encode.ts";

/** A listener that writes down what it hears, on its topics and by itself. */
class Ear implements Listener {
  readonly channel: Channel;
  group: Group | undefined = undefined;
  readonly heard: string[] = [];
  readonly topics = new Set<string>();

  constructor(channel: Channel) {
    this.channel = channel;
  }

  send(frame: string): void {
    this.heard.push(frame);
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
  }
}

let now = 0;
let ears: Ear[] = [];
const publish = (topic: string, frame: string) => {
  for (const ear of ears) if (ear.topics.has(topic)) ear.send(frame);
};
const { plain, v1 } = socketAudiences(publish);

/** A made-up kind: a stream of text, which reaches its listeners without a topic of Bun's. */
const encoded: string[] = [];
const stream: Audience = {
  kind: "stream",
  encode(message) {
    encoded.push(message.text);
    return `data: ${message.text}\n\n`;
  },
  publish,
  gap: "event: gap\n\n",
};

function nodeOf(roster: Roster = { count: 0, named: 0, names: [] }, window = 0): Node {
  const options = { window, clock: () => now, nextTurn: (run: () => void) => run(), publish };
  return new Node(createNodeData(), options, () => ({ roster: (_, answer) => answer(roster) }));
}

function enter(node: Node, audience: Audience, channel = "a"): Ear {
  const ear = new Ear(node.arrive(channel));
  ears.push(ear);
  node.enter(ear, audience, "welcome");
  return ear;
}

function message(text: string, id = 2_000_000, prev = 1_000_000) {
  return { id, prev, timestamp: 2, text: `"${text}"`, user: '"ann"' };
}

beforeEach(() => {
  now = 0;
  ears = [];
  encoded.length = 0;
});

describe("a third audience", () => {
  test("hears messages in its own encoding, beside the sockets", () => {
    const node = nodeOf();
    const [socket, v1Socket] = [enter(node, plain), enter(node, v1)];
    const streams = [enter(node, stream), enter(node, stream)];
    node.events.message("a", message("hi"));
    expect(encoded).toEqual(['"hi"']);
    for (const { heard } of streams) expect(heard).toEqual(["welcome", 'data: "hi"\n\n']);
    const fields = '"text":"hi","timestamp":2,"user":"ann"';
    expect(socket.heard).toEqual(["welcome", `{"type":"message",${fields}}`]);
    expect(v1Socket.heard).toEqual([
      "welcome",
      `{"type":"message",${fields},"id":2000000,"prev":1000000}`,
    ]);
  });

  test("costs nothing where nobody of it listens", () => {
    const node = nodeOf();
    const ear = enter(node, stream);
    node.leave(ear);
    enter(node, plain);
    node.events.message("a", message("hi"));
    expect(encoded).toEqual([]);
  });

  test("hears of a gap at once; sockets see it by the next prev", () => {
    const node = nodeOf();
    const [socket, ear] = [enter(node, v1), enter(node, stream)];
    node.events.gap("a");
    node.events.gap("nobody is here");
    expect([socket.heard, ear.heard]).toEqual([["welcome"], ["welcome", "event: gap\n\n"]]);
  });
});

describe("what a large channel has gathered comes first", () => {
  /** A large channel in which a message waits, and one who listens there. */
  function gathering() {
    const node = nodeOf({ count: 1, named: 0, names: [] }, 60_000);
    const ear = enter(node, v1);
    node.watch(ear);
    ear.heard.length = 1;
    const member = new Peer(ear.channel, true, 0);
    member.send = (frame) => ear.send(frame);
    ear.group!.count = 1000;
    node.events.message("a", message("1"));
    // Soon after, in another turn, so it waits.
    node.events.message("a", message("2"));
    expect(ear.heard.length).toBe(2);
    return { node, ear, member };
  }

  test.each([
    ["an answer", ({ node, ear }: ReturnType<typeof gathering>) => node.tell(ear, "later")],
    ["a newcomer", ({ node }) => void enter(node, v1)],
    ["a gap", ({ node }) => node.events.gap("a")],
    ["an eviction", ({ node, member }) => node.events.evicted("a", member, "replaced")],
    ["the end", ({ node }) => node.flush()],
    [
      "presence",
      ({ node }) => {
        node.events.presence("a", { count: 2, joined: "eve" });
        now += GATHER;
        node.tick();
      },
    ],
  ] as [string, (parts: ReturnType<typeof gathering>) => void][])("before %s", (_, next) => {
    const parts = gathering();
    const { ear } = parts;
    next(parts);
    const texts = ear.heard.flatMap((frame) => /"text":"(\d)"/.exec(frame)?.[1] ?? []);
    expect(texts).toEqual(["1", "2"]);
    expect(ear.heard.findIndex((frame) => frame.includes('"2"'))).toBe(2);
  });
});

describe("a member that is evicted", () => {
  function evicted(speaksV1: boolean, reason: "replaced" | "lost") {
    const node = nodeOf();
    const heard: string[] = [];
    const member = new Peer(node.arrive("a"), speaksV1, 0);
    member.send = (frame) => void heard.push(frame);
    member.session = "s";
    identify(member, { shown: "Ann", key: "ann" });
    node.events.evicted("a", member, reason);
    return { name: member.name, session: member.session, heard };
  }

  test("because another of its session took the name has lost both", () => {
    const frames = [IDENTITY_REFUSED, identityRefusedV1("replaced")];
    for (const [at, frame] of frames.entries()) {
      const { name, session, heard } = evicted(at === 1, "replaced");
      expect([name, session]).toEqual([undefined, undefined]);
      expect(heard).toEqual([frame]);
    }
  });

  test("because the node lost the name hears so, and may ask for it again", () => {
    for (const speaksV1 of [false, true]) {
      expect(evicted(speaksV1, "lost")).toEqual({
        name: undefined,
        session: "s",
        heard: ['{"type":"heartbeat","authenticated":"false"}'],
      });
    }
  });
});

test("a channel is forgotten with its last listener, in its place or on its way", () => {
  const data = createNodeData();
  const options = { window: 0, clock: () => 0, nextTurn: () => {}, publish };
  const node = new Node(data, options, () => ({ roster() {} }));
  const ears = Array.from({ length: 3 }, () => new Ear(node.arrive("a")));
  node.enter(ears[0]!, plain, "");
  node.enter(ears[1]!, v1, "");
  for (const ear of ears) {
    expect(data.channels.size).toBe(1);
    node.leave(ear);
  }
  expect(data.channels.size).toBe(0);
});
