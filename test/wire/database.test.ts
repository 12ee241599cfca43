import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { startShoal } from "../helpers/shoal.ts";

interface Item {
  text: string;
  id: number;
  prev: number;
}

/** Reads the whole history of a channel, forward, and checks that each message links to the last. */
async function readAll(client: Client): Promise<Item[]> {
  const items: Item[] = [];
  let after = 0;
  for (let more = "true"; more === "true";) {
    client.say({ type: "history", after, limit: 200 });
    const page = await client.nextOf("history");
    for (const item of page.messages as Item[]) {
      expect(item.prev).toBe(after);
      items.push(item);
      after = item.id;
    }
    more = String(page.more);
  }
  return items;
}

test("every message that anyone saw survives kill -9, and so do names and refs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-database-"));
  const env = {
    DATABASE: join(folder, "chat.sqlite"),
    MESSAGE_RATE: "0",
    HISTORY_LIMIT: "5000",
    HEARTBEAT_INTERVAL: "1",
  };
  const first = await startShoal({ env });
  const ann = await enter(`${first.ws}/a`, V1);
  ann.say({ type: "identity", user: "ann" });
  const { session } = await ann.nextOf("identity");
  const reader = await enter(`${first.ws}/a`);
  // Only a name that was held for a whole interval waits for its session: two heartbeats.
  for (let beats = 0; beats < 2; beats++) await reader.nextOf("heartbeat");
  for (let n = 0; n < 2000; n++) ann.say({ type: "message", text: `${n}`, ref: `${n}` });
  const shown: string[] = [];
  while (shown.length < 700) shown.push(String((await reader.nextOf("message")).text));
  await first.end("SIGKILL");
  const late = reader.rest.filter((frame) => frame.includes('"message"'));
  shown.push(...late.map((frame) => String(JSON.parse(frame).text)));

  const second = await startShoal({ env });
  const back = await enter(`${second.ws}/a`, V1);
  back.say({ type: "identity", user: "ann" });
  expect(await back.nextOf("identity")).toMatchObject({ success: "false", code: "name_taken" });
  back.say({ type: "identity", user: "ann", session });
  expect(await back.nextOf("identity")).toMatchObject({ success: "true", session });
  const kept = await readAll(back);
  const texts = kept.map(({ text }) => text);
  expect(texts.slice(0, shown.length)).toEqual(shown);
  expect(texts).toEqual(Array.from(kept, (_, n) => `${n}`));
  const { text, id } = kept.at(-1)!;
  back.say({ type: "message", text, ref: text });
  expect((await back.nextOf("ack")).id).toBe(id);
  expect(await second.end()).toBe(0);
  rmSync(folder, { recursive: true });
});

test("a database that is deleted while the server runs makes it unhealthy within a second", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-deleted-"));
  const path = join(folder, "chat.sqlite");
  const shoal = await startShoal({ env: { DATABASE: path } });
  const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
  const health = async () => {
    const answer = await fetch(`${shoal.http}/-/health`);
    return [answer.status, await answer.text()];
  };
  expect(await health()).toEqual([200, "ok\n"]);
  rmSync(path);
  const since = performance.now();
  while ((await health())[0] === 200) await Bun.sleep(20);
  expect(performance.now() - since).toBeLessThan(2000);
  expect((await health())[1]).toContain("log");
  ann.say({ type: "message", text: "hi", ref: "1" });
  expect((await ann.nextOf("error")).code).toBe("unavailable");

  // Nobody can start on a new file there while the first server runs.
  expect(startShoal({ env: { DATABASE: path } })).rejects.toThrow("another process uses it");
  expect((await health())[0]).toBe(503);
  expect(await shoal.end()).toBe(0);
  rmSync(folder, { recursive: true });
});
