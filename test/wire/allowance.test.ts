import { expect, test } from "bun:test";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

/** A channel whose newest 50 messages make a full page of 256 KiB. */
async function full(server: TestServer): Promise<Client> {
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  for (let n = 0; n < 50; n++) {
    ann.say({ type: "message", text: "\u0001".repeat(1000), ref: `${n}` });
    await ann.nextOf("ack");
  }
  return ann;
}

/** How a burst of so many questions is answered. */
async function ask(client: Client, count: number, frame: object) {
  for (let n = 0; n < count; n++) client.say({ type: "history", ...frame });
  const answers = { pages: 0, busy: 0 };
  while (answers.pages + answers.busy < count) {
    const { type, code } = JSON.parse(await client.next()) as { type: string; code?: string };
    if (type === "history") answers.pages++;
    if (code === "busy") answers.busy++;
  }
  return answers;
}

test("two full pages are granted at once, and one more every two seconds", async () => {
  let now = 1000;
  await using server = await serve({ messageBurst: 1000 }, { clock: () => now });
  const writer = await full(server);
  const reader = await enter(`${server.ws}/a`, V1);
  const first = await ask(reader, 50, {});
  expect(first.pages).toBeWithin(2, 4);
  expect(first.busy).toBe(50 - first.pages);
  // A message is not held up by it.
  writer.say({ type: "message", text: "hi", ref: "hi" });
  await writer.nextOf("ack");
  now += 2000;
  expect((await ask(reader, 5, {})).pages).toBeWithin(1, 3);
  expect(await ask(await enter(`${server.ws}/a`, V1), 1, {})).toEqual({ pages: 1, busy: 0 });
});

test("with MESSAGE_RATE=0 there is no such limit", async () => {
  await using server = await serve({ messageRate: 0 });
  await full(server);
  const reader = await enter(`${server.ws}/a`, V1);
  for (let n = 0; n < 20; n++) expect(await ask(reader, 1, {})).toEqual({ pages: 1, busy: 0 });
});

test("a page that was asked for is the same until something is said, and then another", async () => {
  await using server = await serve();
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const pages: string[] = [];
  for (const text of ["1", "2", "3"]) {
    ann.say({ type: "message", text, ref: text });
    await ann.nextOf("ack");
    for (let n = 0; n < 2; n++) {
      ann.say({ type: "history", limit: 2 });
      const { messages } = await ann.nextOf("history");
      pages.push((messages as { text: string }[]).map((one) => one.text).join(""));
    }
  }
  expect(pages).toEqual(["1", "1", "12", "12", "23", "23"]);
});
