import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "bun:sqlite";
import { draft } from "./port.ts";
import { type FileStore, openFileStore } from "./sqlite-store.ts";
import { randomFrom } from "../helpers/random.ts";

/** Damaged files: each fault is a sentence, and what is not damaged goes on. */

const folder = mkdtempSync(join(tmpdir(), "shoal-faults-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);

const CHANNELS = ["a", "b", "c", "d"];
const KEPT = { limit: 10_000, ttl: Infinity };

/** A file with 500 messages in each channel. */
const good = (async () => {
  const store = await openFileStore(newFile(), KEPT);
  for (const channel of CHANNELS) await store.post(channel, 500, { text: `tea in ${channel}` });
  await store.broker.close();
  return store.path;
})();

/** The pages of the file that hold one of its tables or indexes, counted from 0. */
function pagesOf(path: string, name: string): number[] {
  const database = new Database(path, { readonly: true });
  const rows = database
    .query<{ pageno: number }, [string]>("SELECT pageno FROM dbstat WHERE name = ?")
    .all(name);
  database.close();
  return rows.map(({ pageno }) => pageno - 1);
}

/** Flips some bits in each of these pages. */
function flip(path: string, pages: readonly number[], random: () => number): void {
  const bytes = readFileSync(path);
  for (const page of pages) {
    for (let n = 0; n < 100; n++) {
      const at = page * 4096 + Math.floor(random() * 4096);
      bytes[at]! ^= 1 << Math.floor(random() * 8);
    }
  }
  writeFileSync(path, bytes);
}

/** What a channel answers: how many messages, or "unavailable". */
async function answersOf({ broker, raw }: FileStore, channel: string) {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  raw.history(channel, { limit: 200 }, (page) => {
    for (const { text, user } of page?.messages ?? []) JSON.parse(`[${text}, ${user}]`);
    resolve(page?.messages.length ?? "unavailable");
  });
  const page = await promise;
  const found = await new Promise<number | string>((then) => {
    raw.search(channel, { query: "tea", limit: 50 }, (hits) =>
      then(hits?.messages.length ?? "unavailable"),
    );
  });
  return { page, found, posted: await broker.publish(channel, draft("new tea", "s")) };
}

describe("sqlite: flipped bits", () => {
  test("in the messages: pages are unavailable, and the talk goes on", async () => {
    const path = newFile();
    copyFileSync(await good, path);
    flip(path, pagesOf(path, "messages").slice(1), randomFrom(1));
    const store = await openFileStore(path, KEPT);
    for (const channel of CHANNELS) {
      const { page, posted } = await answersOf(store, channel);
      expect(page).toBe("unavailable");
      expect(posted).toBeNumber();
      // What was posted since is in memory.
      const { messages } = await store.broker.history(channel, {
        after: posted as number,
        limit: 5,
      });
      expect(messages).toEqual([]);
    }
    expect(store.heard.length).toBe(CHANNELS.length);
    expect(store.lines.filter((line) => line.includes("error"))).toEqual([
      expect.stringMatching(/database cannot be read.*malformed/),
    ]);
    await store.broker.close();
  });

  test("anywhere: every question gets an answer, and no frame is damaged", async () => {
    const tally = { answered: 0, unavailable: 0, refused: 0 };
    for (let round = 0; round < 25; round++) {
      const path = newFile();
      copyFileSync(await good, path);
      const random = randomFrom(round);
      const pages = readFileSync(path).length / 4096;
      flip(path, [1 + Math.floor(random() * (pages - 1))], random);
      const store = await openFileStore(path, KEPT).catch((error: Error) => error.message);
      if (typeof store === "string") {
        expect(store).toMatch(/^DATABASE .* cannot be used: .*\.$/);
        tally.refused++;
        continue;
      }
      for (const channel of CHANNELS) {
        const { page, found } = await answersOf(store, channel);
        for (const one of [page, found]) {
          tally[one === "unavailable" ? "unavailable" : "answered"]++;
        }
      }
      await store.broker.close();
    }
    expect(tally.answered).toBeGreaterThan(100);
    expect(tally.unavailable).toBeGreaterThan(0);
  }, 30_000);
});

describe("sqlite: a truncated file", () => {
  test("is refused with a sentence", async () => {
    const random = randomFrom(3);
    for (let round = 0; round < 5; round++) {
      const path = newFile();
      copyFileSync(await good, path);
      truncateSync(path, 4096 + Math.floor(random() * (readFileSync(path).length - 8192)));
      const fault = await openFileStore(path, KEPT).catch((error: Error) => error.message);
      expect(fault).toBe(
        `DATABASE ${path} cannot be used: it is damaged (database disk image is malformed); shoal check says what is left.`,
      );
    }
  });

  test("while it is in use: what cannot be read or written is unavailable", async () => {
    const path = newFile();
    copyFileSync(await good, path);
    const store = await openFileStore(path, KEPT);
    await store.broker.join("a");
    const before = await store.texts("a");
    truncateSync(path, 20 * 4096);
    expect(await store.texts("a")).toEqual(before);
    const { page, found, posted } = await answersOf(store, "b");
    expect([page, found]).toEqual(["unavailable", "unavailable"]);
    expect(posted).toBe("unavailable");
    expect(store.raw.status()).toMatchObject({ state: "failing" });
    expect(store.lines.filter((line) => line.includes("error")).length).toBeGreaterThan(0);
    await store.broker.close();
  });
});

test("sqlite: while another process writes, messages are refused, and then accepted again", async () => {
  const store = await openFileStore(newFile(), KEPT);
  const [first] = await store.post("a", 1);
  const script = `
    const { Database } = require("bun:sqlite");
    const database = new Database(${JSON.stringify(store.path)});
    database.run("BEGIN IMMEDIATE");
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  await child.stdout.getReader().read();
  expect(await store.broker.publish("a", draft("refused", "s", "1"))).toBe("unavailable");
  expect(store.raw.status()).toEqual({ state: "failing", reason: "another process uses it" });
  expect((await store.broker.history("a", { limit: 5 })).messages.length).toBe(1);
  child.kill();
  await child.exited;
  await store.until(() => store.raw.status().state === "ready");
  const second = await store.broker.publish("a", draft("refused", "s", "1"));
  const { messages } = await store.broker.history("a", { limit: 5 });
  expect<unknown>(messages.map(({ id }) => id)).toEqual([first, second]);
  await store.broker.close();
});
