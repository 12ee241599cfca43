import { expect, test } from "bun:test";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { Allowance } from "../../src/edge/allowance.ts";
import { Visitors, visitorLimits } from "../../src/auth/visitors.ts";
import { readConfig } from "../../src/config.ts";
import { Peer } from "../../src/edge/peer.ts";
import { hold } from "../../src/node/channels.ts";
import { connect } from "../../src/client/client.ts";
import { serve, type TestServer } from "../helpers/server.ts";

const read = readConfig({}, () => false);
if ("faults" in read) throw new Error(read.faults.join());
const usual = read.config;

/** A channel whose newest 50 messages make a full page of 256 KiB. */
async function full(server: TestServer, text = "\u0001".repeat(1000)): Promise<Client> {
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  for (let n = 0; n < 50; n++) {
    ann.say({ type: "message", text, ref: `${n}` });
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

test("a burst of questions gets a few full pages, and more once time has passed", async () => {
  let now = 1000;
  await using server = await serve({ messageBurst: 1000 }, { clock: () => now });
  const writer = await full(server);
  const reader = await enter(`${server.ws}/a`, V1);
  const first = await ask(reader, 50, {});
  expect(first.pages).toBeWithin(2, 7);
  expect(first.busy).toBe(50 - first.pages);
  // A message is not held up by it.
  writer.say({ type: "message", text: "hi", ref: "hi" });
  await writer.nextOf("ack");
  now += 2000;
  expect((await ask(reader, 5, {})).pages).toBeGreaterThan(1);
  expect(await ask(await enter(`${server.ws}/a`, V1), 1, {})).toEqual({ pages: 1, busy: 0 });
});

test("an answer counts by its bytes, not its characters", async () => {
  await using server = await serve({ messageBurst: 1000 }, { clock: () => 1000 });
  await full(server, "\u6f22".repeat(1700));
  const reader = await enter(`${server.ws}/a`, V1);
  let pages = 0;
  for (let n = 0; n < 20; n++) {
    pages += (await ask(reader, 1, {})).pages;
    // Until its pong is there.
    await Bun.sleep(20);
  }
  expect(pages).toBeWithin(3, 7);
});

test("a resume of thousands of messages by the library takes a moment, not a minute", async () => {
  await using server = await serve({ historyLimit: 5000, messageRate: 1e6, messageBurst: 5000 });
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  const text = "x".repeat(500);
  for (let n = 0; n < 3000; n++) ann.say({ type: "message", text, ref: `${n}` });
  for (let n = 0; n < 3000; n++) await ann.nextOf("ack");
  const chat = connect(`${server.ws}/a`, { after: 0 });
  let count = 0;
  await new Promise<void>((resolve) => chat.on("message", () => ++count === 3000 && resolve()));
  chat.close();
}, 20_000);

test("those who asked for much leave something to those who did not", () => {
  let now = 1000;
  const allowance = new Allowance(true, () => now);
  const peers = Array.from({ length: 100 }, () => new Peer(hold(new Map(), "a"), true, 0));
  const page = 256 * 1024;
  let granted = 0;
  for (const peer of peers) {
    while (allowance.allows(peer)) {
      allowance.charge(peer, page);
      granted++;
    }
  }
  expect(granted).toBeLessThan(270);
  // The one who asked first has made up for its own pages by then, but not for those of all.
  now += 700;
  const fresh = new Peer(hold(new Map(), "a"), true, 0);
  expect(allowance.allows(fresh)).toBe(true);
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

test("a page that was asked for before has no message that has expired since", async () => {
  await using server = await serve({ historyAge: 1 });
  const ann = await enterAs(`${server.ws}/a`, "ann", V1);
  ann.say({ type: "message", text: "secret", ref: "1" });
  await ann.nextOf("ack");
  for (let n = 0, kept = 1; kept > 0; n++) {
    expect(n).toBeLessThan(50);
    ann.say({ type: "history" });
    kept = ((await ann.nextOf("history")).messages as unknown[]).length;
    await Bun.sleep(100);
  }
});

test("one address cannot take what is left for others, with however many connections", () => {
  let now = 1000;
  const allowance = new Allowance(true, () => now);
  const visitors = new Visitors(new Map(), visitorLimits(usual));
  const peer = (network: string) => {
    const visitor = visitors.enter(network, now);
    if ("setting" in visitor) throw new Error(visitor.setting);
    return new Peer(hold(new Map(), "a"), true, now, visitor);
  };
  const crowd = Array.from({ length: 900 }, () => peer("203.0.113.1"));
  const ann = peer("203.0.113.2");
  const refused = { page: 0, search: 0 };
  for (let step = 0; step < 3000; step++) {
    now += 10;
    for (const one of crowd) {
      if (step % 2 === 0) allowance.search(one);
      else if (allowance.allows(one)) allowance.charge(one, 256 * 1024);
    }
    if (step % 200 === 150 && !allowance.search(ann)) refused.search++;
    if (step % 200 !== 50) continue;
    if (allowance.allows(ann)) allowance.charge(ann, 256 * 1024);
    else refused.page++;
  }
  expect(refused).toEqual({ page: 0, search: 0 });
});

test("searches are fewer than pages, and leave room for those who have not searched", () => {
  const now = 1000;
  const allowance = new Allowance(true, () => now);
  const peer = () => new Peer(hold(new Map(), "a"), true, now);
  const one = peer();
  const mine = Array.from({ length: 10 }, () => allowance.search(one));
  expect(mine.filter((allowed) => allowed)).toHaveLength(2);
  const crowd = Array.from({ length: 100 }, peer);
  expect(crowd.filter((other) => allowance.search(other))).toHaveLength(62);
  const unlimited = new Allowance(false, () => now);
  expect(crowd.every((other) => unlimited.search(other))).toBe(true);
});
