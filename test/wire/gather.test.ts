import { expect, test } from "bun:test";
import { type Client, connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";

/** A large channel that gathers for a very long time: whatever must not wait does not. */

/** The texts of the messages that come before a frame with this in it. */
async function textsUntil(client: Client, mark: string): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const raw = await client.next();
    if (raw.includes(mark)) return texts;
    const { type, text } = JSON.parse(raw);
    if (type === "message") texts.push(text);
  }
}

test("everything that must not wait comes at once, after what was gathered", async () => {
  await using server = await serve({ messageRate: 0, fanoutWindow: 60_000 });
  const url = `${server.ws}/a`;
  const members = await Promise.all(
    Array.from({ length: 520 }, (_, n) => enter(url, n % 2 === 0 ? V1 : {})),
  );
  const ann = await enterAs(url, "ann", V1);
  const say = (text: string) => ann.say({ type: "message", text, ref: text });

  // The first goes out at once; the next two wait until somebody asks for the history.
  for (const text of ["1", "2", "3"]) say(text);
  const acks = [await ann.nextOf("ack"), await ann.nextOf("ack"), await ann.nextOf("ack")];
  const reader = members[0]!;
  reader.say({ type: "history" });
  const page = await reader.nextOf("history");
  expect((page.messages as { text: string }[]).map(({ text }) => text)).toEqual(["1", "2", "3"]);

  // Somebody joins: what was said before comes to the others first, and not to the newcomer.
  for (const text of ["4", "5"]) say(text);
  await ann.nextOf("ack");
  await ann.nextOf("ack");
  const late = await connect(url, V1);
  const { last } = await late.nextOf("connection");
  expect(last).toBeGreaterThan(acks[2]!.id as number);
  say("6");
  await ann.nextOf("ack");
  late.say({ type: "history" });
  const next = await late.nextOf("message");
  expect([next.text, next.prev]).toEqual(["6", last]);

  // A presence frame comes behind what was said before it.
  const watcher = await enter(url, V1);
  watcher.say({ type: "presence" });
  await watcher.nextOf("presence");
  watcher.rest.length = 0;
  say("7");
  say("8");
  late.say({ type: "identity", user: "late" });
  expect(await textsUntil(watcher, '"joined"')).toEqual(["7", "8"]);

  // So does the answer to who is here.
  say("9");
  say("10");
  while (((await ann.nextOf("ack")).ref as string) !== "10");
  watcher.rest.length = 0;
  watcher.say({ type: "presence" });
  expect(await textsUntil(watcher, '"joined"')).toEqual(["9", "10"]);

  // And that one's name went to another connection.
  late.say({ type: "identity", user: "late" });
  const { session } = await late.nextOf("identity");
  say("11");
  say("12");
  while (((await ann.nextOf("ack")).ref as string) !== "12");
  late.rest.length = 0;
  reader.say({ type: "identity", user: "late", session });
  expect(await textsUntil(late, '"replaced"')).toEqual(["11", "12"]);

  // The server stops: what was said is sent.
  say("13");
  say("14");
  while (((await ann.nextOf("ack")).ref as string) !== "14");
  const stopped = server.drain();
  for (const member of members.slice(1)) {
    const seen: string[] = [];
    while (seen.at(-1) !== "14") seen.push(String((await member.nextOf("message")).text));
    expect(seen).toEqual(Array.from({ length: 14 }, (_, n) => `${n + 1}`));
    expect((await member.closed).code).toBe(1001);
  }
  await stopped;
});
