import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type Client, connect, enter } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { ERRORS } from "../../src/protocol/codes.ts";

/** What must hold for any input, in any order. */

let server: TestServer;
beforeAll(async () => {
  server = await serve({ messageRate: 0 });
});
afterAll(() => server.drain());

const word = fc.constantFrom(
  "type",
  "text",
  "user",
  "message",
  "identity",
  "heartbeat",
  "ref",
  "__proto__",
  "history",
  "after",
  "limit",
  "session",
  "presence",
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: "binary" }),
    word,
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    tie("list"),
    tie("object"),
  ),
  list: fc.array(tie("value"), { maxLength: 4 }),
  object: fc.dictionary(word, tie("value"), { maxKeys: 5 }),
}));
const almost = fc.record(
  {
    type: fc.constantFrom("heartbeat", "identity", "message", "history", "presence"),
    text: fc.oneof(fc.string({ unit: "binary" }), json.value),
    user: fc.oneof(fc.string({ unit: "grapheme" }), json.value),
    ref: json.value,
    session: json.value,
    after: json.value,
    before: json.value,
    limit: json.value,
  },
  { requiredKeys: ["type"] },
);
const frame = fc.oneof(
  fc.string({ unit: "binary" }),
  json.value.map((value) => JSON.stringify(value)),
  almost.map((value) => JSON.stringify(value)),
  almost.map((value) => JSON.stringify(value).slice(0, -1)),
  fc.uint8Array({ maxLength: 50 }),
);

/** Resolves once every frame that this client has sent is answered: a pong keeps its place. */
async function settled({ socket, closed }: Client): Promise<void> {
  const pong = new Promise((resolve) => socket.addEventListener("pong" as never, resolve));
  (socket as Bun.WebSocket).ping();
  await Promise.race([pong, closed]);
  expect(socket.readyState).toBe(WebSocket.OPEN);
}

const ANSWERS = new Set(["error", "identity", "message", "ack", "history", "presence"]);

test.each([[[]], [["shoal.v1"]]])(
  "random frames are answered or ignored, and the connection lives on (%j)",
  async (protocols) => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), fc.nat(1e9), async (frames, channel) => {
        const client = await enter(`${server.ws}/random-${channel}`, { protocols });
        for (const one of frames) client.say(one);
        client.say("last");
        await settled(client);
        await client.close();
        const answers = client.rest.map(
          (text) => JSON.parse(text) as { type: string; code: string },
        );
        // A message in shoal.v1 gets two: itself and an ack.
        expect(answers.length).toBeLessThanOrEqual(2 * frames.length + 1);
        for (const { type } of answers) expect(ANSWERS).toContain(type);
        const codes = answers.filter(({ type }) => type === "error").map(({ code }) => code);
        for (const code of codes) expect(Object.keys(ERRORS)).toContain(code);
        expect(codes.at(-1)).toBe("invalid_json");
      }),
      { numRuns: 60 },
    );
  },
);

test("a random path is a channel or is rejected with a sentence", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
      const path = `/${text.replace(/[\s#]|[^\x21-\x7e]/g, "%")}`;
      const response = await fetch(server.http + path, { redirect: "manual" });
      expect([200, 400, 404, 414, 426]).toContain(response.status);
      expect((await response.text()).length).toBeGreaterThan(1);
    }),
    { numRuns: 200 },
  );
});

/** A client that remembers everything it heard. */
class Talker {
  /** The messages that it received, as they came. */
  readonly messages: string[] = [];
  /** Its own messages under each name that it was granted, from one grant to the next. */
  readonly terms: { key: string; messages: string[] }[] = [];
  private readonly wanted: string[] = [];

  readonly channel: string;
  private readonly id: number;
  private readonly client: Client;

  constructor(channel: string, id: number, client: Client) {
    this.channel = channel;
    this.id = id;
    this.client = client;
  }

  identify(user: string): void {
    this.wanted.push(user);
    this.client.say({ type: "identity", user });
  }

  talk(text: string): void {
    this.client.say({ type: "message", text: `${this.channel} ${this.id} ${text}` });
  }

  /** Disconnects, and reads what came until then. */
  async leave(): Promise<void> {
    await settled(this.client);
    await this.client.close();
    let holds: string | undefined;
    for (const text of this.client.rest) {
      const frame = JSON.parse(text) as Record<"type" | "text" | "user" | "success", string>;
      if (frame.type === "identity") {
        const user = this.wanted.shift()!;
        if (frame.success === "false") continue;
        holds = user;
        this.terms.push({ key: user.toLowerCase(), messages: [] });
      }
      if (frame.type !== "message") continue;
      const [channel, id] = frame.text.split(" ");
      expect(channel).toBe(this.channel);
      this.messages.push(text);
      if (Number(id) !== this.id) continue;
      expect(frame.user).toBe(holds!);
      this.terms.at(-1)!.messages.push(text);
    }
    expect(this.wanted).toEqual([]);
  }
}

/**
 * Checks that the clients of a channel saw one order, and that no name had two holders at a time.
 *
 * @param order every message of the channel
 * @returns how many terms had more than one message, so that somebody could come between them
 */
function checkChannel(order: readonly string[], talkers: readonly Talker[]): number {
  const keys = order.map((text) => (JSON.parse(text) as { user: string }).user.toLowerCase());
  for (const { messages } of talkers) expect(order.join("\n")).toContain(messages.join("\n"));
  const terms = talkers.flatMap((one) => one.terms).filter(({ messages }) => messages.length > 1);
  for (const { key, messages } of terms) {
    const [first, last] = [order.indexOf(messages[0]!), order.indexOf(messages.at(-1)!)];
    const between = order.slice(first, last + 1).filter((_, at) => keys[first + at] === key);
    expect(between).toEqual(messages);
  }
  return terms.length;
}

/** Two channels with three clients each, all of whom leave at the end. */
async function conversation(
  name: string,
  steps: readonly { who: number; does: "identify" | "talk" | "leave"; user: string }[],
): Promise<number> {
  const talkers: Talker[] = [];
  const arrive = async (channel: string) => {
    const client = await connect(`${server.ws}/${channel}`);
    expect(await client.next()).toBe(`{"type":"connection","id":"${channel}"}`);
    const talker = new Talker(channel, talkers.length, client);
    talkers.push(talker);
    return talker;
  };
  const channels = [`${name}-a`, `${name}-b`];
  const here: Talker[] = [];
  for (let who = 0; who < 6; who++) here.push(await arrive(channels[who % 2]!));
  const witnesses = [await arrive(channels[0]!), await arrive(channels[1]!)];
  for (const [number, { who, does, user }] of steps.entries()) {
    if (does === "identify") here[who]!.identify(user);
    else if (does === "talk") here[who]!.talk(`${number}`);
    else {
      await here[who]!.leave();
      here[who] = await arrive(channels[who % 2]!);
    }
  }
  for (const talker of [...here, ...witnesses]) await talker.leave();
  let checked = 0;
  for (const { channel, messages } of witnesses) {
    checked += checkChannel(
      messages,
      talkers.filter((talker) => talker.channel === channel),
    );
  }
  return checked;
}

test("many clients in random order: one holder per name, one order, channels stay apart", async () => {
  const step = fc.record({
    who: fc.nat(5),
    does: fc.constantFrom("identify", "identify", "talk", "talk", "talk", "talk", "leave"),
    user: fc.constantFrom("ann", "Ann", "bob", "eve"),
  });
  let round = 0;
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 150 }), async (steps) => {
      const name = `round-${round++}`;
      checked += await conversation(name, steps);
      // All names are free again, and each goes to one of those who ask.
      const judges = [0, 1, 2].map(() => enter(`${server.ws}/${name}-a`));
      for (const user of ["ann", "bob", "eve"]) {
        const answers = [];
        for (const judge of await Promise.all(judges)) {
          judge.say({ type: "identity", user });
          answers.push((await judge.nextOf("identity")).success);
        }
        expect(answers.toSorted()).toEqual(["false", "false", "true"]);
      }
      for (const judge of await Promise.all(judges)) await judge.close();
    }),
    { numRuns: 25 },
  );
  expect(checked).toBeGreaterThan(25);
});
