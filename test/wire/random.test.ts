import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type Client, connect, enter } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";
import { type ErrorCode, ERRORS } from "../../src/protocol/codes.ts";

/** What must hold of any input, and of any order of it. */

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

const ANSWERS = new Set(["error", "identity", "message", "ack", "history", "presence"]);

test.each([[[]], [["shoal.v1"]]])(
  "any frames get an answer each, or nothing (%j)",
  async (protocols) => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), fc.nat(1e9), async (frames, channel) => {
        const client = await enter(`${server.ws}/random-${channel}`, { protocols });
        for (const one of frames) client.say(one);
        // The answer to this one comes last, whatever came before it.
        client.say("last");
        for (;;) {
          const answer = JSON.parse(await client.next()) as {
            type: string;
            code?: ErrorCode;
          };
          expect(ANSWERS.has(answer.type)).toBe(true);
          if (answer.type === "error") expect(ERRORS[answer.code!]).toBeDefined();
          if (answer.code === "invalid_json" && client.rest.length === 0) break;
        }
        await client.close();
      }),
      { numRuns: 60 },
    );
  },
);

test("any path is a channel or is refused with a sentence, and never fails", async () => {
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

test("many clients in any order: one holder a name, one order, no frame of another channel", async () => {
  const step = fc.record({
    who: fc.nat(5),
    does: fc.constantFrom("identify", "identify", "say", "say", "close"),
    name: fc.constantFrom("ann", "Ann", "bob", "eve"),
  });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      round++;
      const channelOf = (who: number) => `round-${round}-${who % 2}`;
      const logs: { channel: string; frames: string[] }[] = [];
      const clients: (Client & { who: number })[] = [];
      const arrive = async (who: number) => {
        const client = await connect(`${server.ws}/${channelOf(who)}`);
        expect(await client.next()).toBe(`{"type":"connection","id":"${channelOf(who)}"}`);
        clients[who] = Object.assign(client, { who });
      };
      /** Ends a client: what it saw until then is kept. */
      const leave = async (client: Client & { who: number }) => {
        client.say("the end");
        const frames: string[] = [];
        for (;;) {
          const next = await client.next();
          if (next.includes('"invalid_json"')) break;
          if (next.startsWith('{"type":"message"')) frames.push(next);
        }
        logs.push({ channel: channelOf(client.who), frames });
        await client.close();
      };
      for (let who = 0; who < 6; who++) await arrive(who);
      // Witnesses see everything from the start to the end.
      const witnesses = [
        await enter(`${server.ws}/${channelOf(0)}`),
        await enter(`${server.ws}/${channelOf(1)}`),
      ];
      let said = 0;
      for (const { who, does, name } of steps) {
        const client = clients[who]!;
        if (does === "identify") client.say({ type: "identity", user: name });
        else if (does === "say")
          client.say({ type: "message", text: `${channelOf(who)} ${who} ${said++}` });
        else {
          await leave(client);
          await arrive(who);
        }
      }
      for (const client of clients) await leave(client);
      for (const [place, witness] of witnesses.entries()) {
        await leave(Object.assign(witness, { who: place }));
        const { channel, frames } = logs.at(-1)!;
        const order = frames.join("\n");
        for (const log of logs.filter((one) => one.channel === channel)) {
          // Everyone saw an unbroken stretch of the one order.
          expect(order).toContain(log.frames.join("\n"));
        }
        const holders = new Map<string, string>();
        for (const one of frames) {
          const { text, user } = JSON.parse(one) as { text: string; user: string };
          expect(text).toStartWith(channel);
          // Two clients under one name in turn is fine; its holder is checked by the answers below.
          holders.set(user.toLowerCase(), text.split(" ")[1]!);
        }
      }
      // Who has a name now has it alone.
      const judges = await Promise.all(
        ["ann", "bob", "eve"].map(() => enter(`${server.ws}/${channelOf(0)}`)),
      );
      for (const [place, name] of ["ann", "bob", "eve"].entries()) {
        const wins = [];
        for (const judge of judges) {
          judge.say({ type: "identity", user: name });
          wins.push((await judge.nextOf("identity")).success);
        }
        expect(wins.filter((win) => win === "true").length).toBe(1);
        expect(place).toBeLessThan(3);
      }
      for (const judge of judges) await judge.close();
    }),
    { numRuns: 25 },
  );
}, 120_000);
