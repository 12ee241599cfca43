import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { startShoal } from "../helpers/shoal.ts";

/** A text that was removed is gone from all files of the database. */

const folder = mkdtempSync(join(tmpdir(), "shoal-removal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newEnv = () => ({
  DATABASE: join(mkdtempSync(join(folder, `${files++}-`)), "chat.sqlite"),
  MESSAGE_RATE: "0",
});

/** Words that are in no other message. */
const word = (n: number) => `zebra${Bun.hash(`${n}`).toString(36)}x`;
const textOf = (n: number) => `the ${word(2 * n)} and ${word(2 * n + 1)}, ${"tea ".repeat(n % 50)}`;

/** Which of these messages' words are in the files of the database. */
function leftOf(path: string, numbers: readonly number[]): string[] {
  const all = readdirSync(dirname(path)).map((file) => readFileSync(join(dirname(path), file)));
  const words = numbers.flatMap((n) => [word(2 * n), word(2 * n + 1)]);
  return words.filter((one) => all.some((content) => content.includes(one)));
}

/** Posts messages, and removes some of them. @returns once all of it is acknowledged */
async function talk(client: Client, count: number, removed: readonly number[]): Promise<void> {
  const ids: unknown[] = [];
  for (let n = 0; n < count; n++) client.say({ type: "message", text: textOf(n), ref: `${n}` });
  for (let n = 0; n < count; n++) ids.push((await client.nextOf("ack")).id);
  for (const n of removed) client.say({ type: "delete", id: ids[n], ref: `delete ${n}` });
  for (const _ of removed) await client.nextOf("ack");
}

const REMOVED = [7, 8, 9, 40, 120, 121, 299];

describe("after the ack of a removal, no file has the text", () => {
  test("or a word of it, while the server runs and after it", async () => {
    const env = newEnv();
    const shoal = await startShoal({ env });
    const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
    await talk(ann, 300, REMOVED);
    expect(leftOf(env.DATABASE, [...REMOVED, 10])).toEqual([word(20), word(21)]);
    expect(await shoal.end()).toBe(0);
    expect(leftOf(env.DATABASE, [...REMOVED, 10])).toEqual([word(20), word(21)]);
  });

  test("while others search and page", async () => {
    const env = { ...newEnv(), HISTORY_MEMORY: "0" };
    const shoal = await startShoal({ env });
    const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
    const readers = await Promise.all(
      Array.from({ length: 4 }, () => enter(`${shoal.ws}/a`, { ...V1, alive: true })),
    );
    let reading = true;
    const busy = readers.map(async (reader) => {
      while (reading) {
        reader.say({ type: "search", query: "tea the" });
        reader.say({ type: "history", limit: 200 });
        // Some are refused, since they ask for more than is fair.
        for (let answers = 0; answers < 2;) {
          if (/"type":"(history|search|error)"/.test(await reader.next())) answers++;
        }
      }
    });
    await talk(ann, 300, REMOVED);
    while (leftOf(env.DATABASE, REMOVED).length > 0) await Bun.sleep(20);
    reading = false;
    await Promise.all(busy);
    expect(await shoal.end()).toBe(0);
  });

  test("once another process that reads is done, and messages do not wait for it", async () => {
    const env = newEnv();
    const shoal = await startShoal({ env });
    const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
    const done = await readFor(env.DATABASE, ann);
    await talk(ann, 300, REMOVED);
    expect(leftOf(env.DATABASE, REMOVED).length).toBeGreaterThan(0);
    const since = performance.now();
    for (let n = 0; n < 20; n++) {
      ann.say({ type: "message", text: "hi", ref: `later ${n}` });
      await ann.nextOf("ack");
    }
    // It would be 20 s if each waited for the usual second.
    expect(performance.now() - since).toBeLessThan(10_000);
    await done();
    while (leftOf(env.DATABASE, REMOVED).length > 0) await Bun.sleep(20);
    expect(await shoal.end()).toBe(0);
  }, 30_000);

  test("once the server has started again, if it was killed before", async () => {
    const env = newEnv();
    const shoal = await startShoal({ env });
    const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
    const done = await readFor(env.DATABASE, ann);
    await talk(ann, 300, REMOVED);
    await shoal.end("SIGKILL");
    expect(leftOf(env.DATABASE, REMOVED).length).toBeGreaterThan(0);
    await done();
    const again = await startShoal({ env });
    expect(leftOf(env.DATABASE, [...REMOVED, 10])).toEqual([word(20), word(21)]);
    const bob = await enter(`${again.ws}/a`, V1);
    bob.say({ type: "search", query: word(14) });
    expect((await bob.nextOf("search")).messages).toEqual([]);
    expect(await again.end()).toBe(0);
  });

  test("after a kill right behind the ack, again and again", async () => {
    const env = newEnv();
    for (let round = 0; round < 5; round++) {
      const shoal = await startShoal({ env });
      expect(
        leftOf(
          env.DATABASE,
          Array.from({ length: round }, (_, n) => n),
        ),
      ).toEqual([]);
      const ann = await enterAs(`${shoal.ws}/a`, `ann${round}`, V1);
      ann.say({ type: "message", text: textOf(round), ref: "1" });
      const { id } = await ann.nextOf("ack");
      ann.say({ type: "delete", id, ref: "2" });
      await ann.nextOf("ack");
      await shoal.end("SIGKILL");
    }
  });
});

/**
 * Has another process read the database as it is now, so that nothing of its log can go. It has to be
 * another one: a process that closes a file gives up all its locks on it.
 *
 * @returns what ends that
 */
async function readFor(path: string, client: Client): Promise<() => Promise<unknown>> {
  client.say({ type: "message", text: "something to read", ref: "first" });
  await client.nextOf("ack");
  const script = `
    const { Database } = require("bun:sqlite");
    const database = new Database(${JSON.stringify(path)}, { readonly: true });
    database.run("BEGIN");
    database.query("SELECT count(*) FROM messages").get();
    console.log("reading");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  await child.stdout.getReader().read();
  return () => {
    child.kill();
    return child.exited;
  };
}
