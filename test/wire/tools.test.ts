import { afterAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { PROGRAMS, type Shoal, startShoal } from "../helpers/shoal.ts";

/** `shoal backup`, `export`, `check` and `forget`, each as a process of its own. */

const folder = mkdtempSync(join(tmpdir(), "shoal-tools-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A database in a folder of its own. */
function newFile(): string {
  return join(mkdtempSync(join(folder, "db-")), "chat.sqlite");
}

/** Runs a command to its end. */
async function run(database: string, ...args: string[]) {
  const child = Bun.spawn([...PROGRAMS.source, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, DATABASE: database },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, out, err };
}

function serve(database: string): Promise<Shoal> {
  return startShoal({ env: { DATABASE: database, MESSAGE_RATE: "0" } });
}

/** Says these texts, one after the other. @returns their ids */
async function say(client: Client, ...texts: string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const text of texts) {
    client.say({ type: "message", text, ref: text });
    ids.push((await client.nextOf("ack")).id as number);
  }
  return ids;
}

async function messagesOf(shoal: Shoal, channel: string) {
  const client = await enter(`${shoal.ws}/${channel}`, V1);
  client.say({ type: "history", limit: 100 });
  const { messages } = await client.nextOf("history");
  await client.close();
  return messages as Record<string, unknown>[];
}

async function textsOf(shoal: Shoal, channel: string) {
  return (await messagesOf(shoal, channel)).map(({ text }) => text);
}

/** Starts a server on a new database, in which Ann and Bob talk, and stops it. */
async function talk(annSays: string[], bobSays: string[]): Promise<string> {
  const path = newFile();
  const shoal = await serve(path);
  await say(await enterAs(`${shoal.ws}/fishing`, "ann", V1), ...annSays);
  await say(await enterAs(`${shoal.ws}/fishing`, "bob", V1), ...bobSays);
  await shoal.end();
  // The server may have left the log to the next start.
  change(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  return path;
}

/** Changes a database that no server uses. */
function change(path: string, sql: string): void {
  const database = new Database(path, { readwrite: true });
  database.run(sql);
  database.close();
}

describe("arguments", () => {
  test.each([
    [["backup"], "one argument, FILE"],
    [["export", "a", "b"], "one argument, CHANNEL"],
    [["check", "now"], "no argument"],
    [["check", "--yes"], "'--yes'"],
    [["serve", "--yes"], "'--yes'"],
    [["forget"], "--name or --session"],
    [["forget", "--name", "ann", "--session", "x"], "--name or --session"],
    [["check", "--history-limit", "many"], "HISTORY_LIMIT"],
  ])("%j: status 2", async (args, named) => {
    const { status, out, err } = await run("chat.sqlite", ...args);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toStartWith("shoal: ");
    expect(err).toContain(named);
    expect(err).not.toContain("    at ");
  });

  test.each([[["backup", "x"]], [["export", "a"]], [["check"]], [["forget", "--name", "ann"]]])(
    "%j without a database, and without its file",
    async (args) => {
      const none = await run("", ...args);
      expect([none.status, none.out]).toEqual([2, ""]);
      expect(none.err).toStartWith("shoal: DATABASE is not set.");
      const missing = await run("missing.sqlite", ...args);
      expect(missing).toEqual({
        status: 1,
        out: "",
        err: "shoal: DATABASE missing.sqlite cannot be used: there is no such file.\n",
      });
      expect(existsSync(join(folder, "missing.sqlite"))).toBe(false);
    },
  );

  test("--database overrides DATABASE, and a file of an older version is named", async () => {
    const path = await talk([], ["hi"]);
    expect((await run("no.sqlite", "export", "fishing", "--database", path)).out).toContain('"hi"');
    change(path, "PRAGMA user_version = 3");
    const { status, err } = await run(path, "export", "fishing");
    expect([status, err]).toEqual([1, expect.stringContaining("an older version of Shoal")]);
  });
});

describe("shoal backup", () => {
  test("copies what is there while the server runs; restored, it has that again", async () => {
    const path = newFile();
    const shoal = await serve(path);
    const ann = await enter(`${shoal.ws}/fishing`, V1);
    ann.say({ type: "identity", user: "ann" });
    const { session } = await ann.nextOf("identity");
    const [id] = await say(ann, "one", "two");
    const file = join(folder, "backup.sqlite");
    const { status, out, err } = await run(path, "backup", file);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /backup\.sqlite is a checked copy of .*: [\d.]+ kB, 1 channel, 2 messages\n$/,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await say(ann, "three");
    const again = await run(path, "backup", file);
    expect(again).toEqual({
      status: 1,
      out: "",
      err: `shoal: No backup: ${file} exists already.\n`,
    });
    await shoal.end("SIGKILL");

    // As docs/running.md says.
    renameSync(file, path);
    for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    const restored = await serve(path);
    expect(await textsOf(restored, "fishing")).toEqual(["one", "two"]);
    const back = await enter(`${restored.ws}/fishing`, V1);
    back.say({ type: "identity", user: "ann", session });
    expect(await back.nextOf("identity")).toMatchObject({ success: "true", session });
    back.say({ type: "delete", id, ref: "removal" });
    await back.nextOf("ack");
    await restored.end();
  });

  test("that cannot be written leaves nothing behind", async () => {
    const path = await talk([], ["hi"]);
    const nowhere = join(folder, "nowhere/backup.sqlite");
    const { status, out, err } = await run(path, "backup", nowhere);
    expect([status, out]).toEqual([1, ""]);
    expect(err).toMatch(/^shoal: No backup: .*nowhere/);
    // What follows the first page is missing.
    truncateSync(path, 8192);
    expect((await run(path, "backup", join(folder, "damaged.sqlite"))).status).toBe(1);
    expect(readdirSync(folder).filter((file) => /damaged|\.part/.test(file))).toEqual([]);
  });
});

describe("shoal export", () => {
  test("writes what is kept of a channel, the oldest first, without what was removed", async () => {
    const path = newFile();
    const shoal = await serve(path);
    const ann = await enterAs(`${shoal.ws}/fishing`, "ann", V1);
    const texts = ["one", "gone", 'a "quoted"\nline', "🐟"];
    const ids = await say(ann, ...texts);
    ann.say({ type: "delete", id: ids[1], ref: "removal" });
    await ann.nextOf("ack");
    const { status, out, err } = await run(path, "export", "fishing");
    expect([status, err]).toEqual([0, ""]);
    const lines = out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      [0, 2, 3].map((n) => ({
        text: texts[n]!,
        timestamp: expect.any(Number) as number,
        user: "ann",
        id: ids[n]!,
      })),
    );
    await shoal.end();
    expect((await run(path, "export", "fishing")).out).toBe(out);
    const unknown = await run(path, "export", "hunting");
    const reason = `DATABASE ${path} has no channel "hunting".`;
    expect(unknown).toEqual({ status: 1, out: "", err: `shoal: ${reason}\n` });
  });

  test("reads all of a large channel, and ends quietly if nobody reads on", async () => {
    const path = await talk([], ["0"]);
    change(
      path,
      `INSERT INTO messages
       SELECT NULL, number, last + value, last + value - 1, 0, '"' || value || '"', '"ann"', NULL, NULL, NULL
       FROM channels, generate_series(1, 24999)`.replace(
        "generate_series(1, 24999)",
        `(WITH RECURSIVE all_of(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM all_of LIMIT 24999)
          SELECT value FROM all_of)`,
      ),
    );
    const { out } = await run(path, "export", "fishing");
    const texts = out
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { text: string }).text);
    expect(texts).toEqual(Array.from({ length: 25_000 }, (_, n) => `${n}`));
    const command = [...PROGRAMS.source, "export", "fishing"].map((word) => `'${word}'`).join(" ");
    const child = Bun.spawn(["sh", "-c", `${command} | head -n 1`], {
      env: { PATH: process.env.PATH, DATABASE: path },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [first, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect([JSON.parse(first), err]).toEqual([expect.objectContaining({ text: "0" }), ""]);
  });
});

describe("shoal check", () => {
  test("shows what is there and what the settings delete, also while the server runs", async () => {
    const path = newFile();
    const shoal = await serve(path);
    await say(await enterAs(`${shoal.ws}/fishing`, "ann", V1), "one", "two", "日本語 three");
    await say(await enterAs(`${shoal.ws}/hunting`, "ann", V1), "one");
    const { status, out, err } = await run(path, "check");
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatch(/ kB {2}fishing \(3 messages\)\n.* kB {2}hunting \(1 message\)\n/);
    expect(out).toContain("search index");
    expect(out).toEndWith("The settings delete nothing.\n\nNo fault was found.\n");
    const limits = ["--history-limit", "2", "--history-age", "1", "--history-ttl", "1"];
    change(path, "UPDATE messages SET timestamp = 1; UPDATE channels SET used = 1");
    expect((await run(path, "check", ...limits)).out).toContain(
      `The settings delete:
  1 message above HISTORY_LIMIT
  4 messages older than HISTORY_AGE
  2 channels unused for HISTORY_TTL
`,
    );
    const repair = await run(path, "check", "--repair");
    expect([repair.status, repair.err]).toEqual([1, expect.stringContaining("a server uses it")]);
    await shoal.end();
  });

  test.each([
    ["a count", "UPDATE channels SET kept = 7", "1 channel with wrong counts"],
    ["an empty index", "INSERT INTO words (words) VALUES ('delete-all')", "index"],
    ["words", "INSERT INTO words (rowid, entry) VALUES (9, '1_nobody 1_said')", "index"],
    ["a message", "DELETE FROM messages WHERE place = 1", "index"],
  ])("%s that does not agree is found, and repaired", async (_, sql, found) => {
    const path = await talk(["one", "two"], ["three"]);
    change(path, sql);
    const { status, out, err } = await run(path, "check");
    expect([status, out]).toEqual([1, expect.stringContaining(found)]);
    expect(err).toEndWith("Stop the server and run shoal check --repair.\n");
    const repaired = await run(path, "check", "--repair");
    expect([repaired.status, repaired.err]).toEqual([0, ""]);
    expect((await run(path, "check")).out).toEndWith("No fault was found.\n");
    const shoal = await serve(path);
    const ann = await enter(`${shoal.ws}/fishing`, V1);
    ann.say({ type: "search", query: "two" });
    expect((await ann.nextOf("search")).messages).toMatchObject([{ text: "two" }]);
    await shoal.end();
  });

  test("a damaged index is found, and repaired", async () => {
    const path = await talk([], ["salamander"]);
    const bytes = readFileSync(path);
    // In the index, its length stands before it.
    const word = bytes.indexOf("\nsalamander");
    bytes.fill(0xff, word - 4, word);
    writeFileSync(path, bytes);
    const { status, out, err } = await run(path, "check");
    expect([status, out, err]).toEqual([
      1,
      expect.stringContaining("index"),
      expect.stringContaining("--repair"),
    ]);
    expect((await run(path, "check", "--repair")).status).toBe(0);
  });

  test("a file that lost its end is damaged: a backup is to be restored", async () => {
    const path = await talk([], ["hi"]);
    truncateSync(path, 8192);
    for (const args of [["check"], ["check", "--repair"]]) {
      const { status, err } = await run(path, ...args);
      expect(status).toBe(1);
      expect(err).toMatch(/^shoal: DATABASE .* restore a backup/);
    }
  });
});

describe("shoal forget", () => {
  /** The words that can be found in what is in the folder of a database. */
  function wordsIn(path: string, ...words: string[]): string[] {
    const files = readdirSync(join(path, "..")).map((file) => readFileSync(join(path, "..", file)));
    return words.filter((word) => files.some((file) => file.includes(word)));
  }

  test("--name deletes what was said under a name, in all spellings, for good", async () => {
    const path = newFile();
    const shoal = await serve(path);
    const ann = await enterAs(`${shoal.ws}/fishing`, "Ann", V1);
    const many = Array.from({ length: 300 }, (_, n) => `salamander${n} xylophone`);
    const [id] = await say(ann, ...many);
    await say(await enterAs(`${shoal.ws}/hunting`, "ANN", V1), "zeppelins xylophone");
    await say(await enterAs(`${shoal.ws}/fishing`, "bob", V1), "hello ann");
    copyFileSync(path, `${path}-v3`);
    const args = ["forget", "--name", "ann"];
    const summary = "301 messages in 2 channels\n  300 in fishing\n  1 in hunting\n";

    const asked = await run(path, ...args);
    expect([asked.status, asked.err]).toEqual([0, ""]);
    expect(asked.out).toStartWith(summary);
    expect(asked.out).toEndWith("Add --yes to delete this for good.\n");
    const refused = await run(path, ...args, "--yes");
    expect([refused.status, refused.err]).toEqual([1, expect.stringContaining("stop the server")]);
    expect((await textsOf(shoal, "fishing")).length).toBe(100);
    await shoal.end("SIGKILL");

    const words = ["salamander", "xylophone", "zeppelins"];
    expect(wordsIn(path, ...words)).toEqual(words);
    const { status, out, err } = await run(path, ...args, "--yes");
    expect([status, err]).toEqual([0, ""]);
    expect(out).toStartWith(summary);
    expect(out).toEndWith("-v3, which is deleted as well.\nDeleted.\n");
    expect(wordsIn(path, ...words)).toEqual([]);
    expect(existsSync(`${path}-v3`)).toBe(false);
    expect((await run(path, ...args)).out).toStartWith("0 messages in 0 channels\n");
    expect((await run(path, "check")).status).toBe(0);
    expect((await run(path, "export", "fishing")).out).toContain('"hello ann"');

    const next = await serve(path);
    const kept = await messagesOf(next, "fishing");
    expect(kept.at(-1)).toMatchObject({ text: "hello ann" });
    expect(kept.at(-2)).toMatchObject({ text: "", user: "Ann", deleted: "true" });
    expect(kept.at(-1)!.prev).toBe(kept.at(-2)!.id);
    const bob = await enter(`${next.ws}/fishing`, V1);
    bob.say({ type: "search", query: "xylophone" });
    expect((await bob.nextOf("search")).messages).toEqual([]);
    bob.say({ type: "history", around: id, limit: 2 });
    expect((await bob.nextOf("history")).messages).toContainEqual(
      expect.objectContaining({ id, text: "", deleted: "true" }),
    );
    await next.end();
  });

  test("--session takes a token or an id; --channel limits it to one channel", async () => {
    const path = newFile();
    const shoal = await serve(path);
    const ann = await enter(`${shoal.ws}/fishing`, V1);
    ann.say({ type: "identity", user: "ann" });
    const session = String((await ann.nextOf("identity")).session);
    await say(ann, "from fishing");
    const hunting = await enter(`${shoal.ws}/hunting`, V1);
    hunting.say({ type: "identity", user: "annie", session });
    await hunting.nextOf("identity");
    await say(hunting, "from hunting");
    await say(await enterAs(`${shoal.ws}/fishing`, "cid", V1), "from cid");
    await shoal.end();

    const forged = await run(path, "forget", "--session", `${session.slice(0, -1)}_`);
    expect([forged.status, forged.err]).toEqual([2, expect.stringContaining("not a session")]);
    const elsewhere = await run(path, "forget", "--session", session, "--channel", "nowhere");
    expect(elsewhere.out).toStartWith("0 messages in 0 channels\n");
    const one = await run(path, "forget", "--session", session, "--channel", "hunting", "--yes");
    expect(one.out).toBe("1 message in 1 channel\n  1 in hunting\nDeleted.\n");
    expect(wordsIn(path, "from hunting", "from fishing")).toEqual(["from fishing"]);
    const all = await run(path, "forget", "--session", session.slice(0, 22), "--yes");
    expect(all.out).toBe("1 message in 1 channel\n  1 in fishing\nDeleted.\n");
    expect(wordsIn(path, "from fishing", "from cid")).toEqual(["from cid"]);
  });

  test("says so if the log cannot be emptied, because somebody reads the file", async () => {
    const path = await talk(["salamander"], ["hello"]);
    const reader = new Database(path, { readonly: true });
    reader.run("BEGIN");
    reader.query("SELECT * FROM messages").all();
    const { status, err } = await run(path, "forget", "--name", "ann", "--yes");
    expect([status, err]).toEqual([1, expect.stringContaining("another process is reading")]);
    reader.close();
    expect((await run(path, "forget", "--name", "ann", "--yes")).status).toBe(0);
    expect(wordsIn(path, "salamander")).toEqual([]);
  });
});
