import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { enter, enterAs, V1 } from "../helpers/client.ts";
import { PROGRAMS, type Shoal, startShoal } from "../helpers/shoal.ts";

/**
 * The compiled binary. All other tests run Shoal from source; these check what compiling can break:
 * the embedded files, the SQLite thread, the arguments, the signals and the folder it starts in.
 */

const program = "binary";

async function run(args: string[], stdin = "", env: Record<string, string> = {}) {
  const child = Bun.spawn([...PROGRAMS.binary, ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, out, err };
}

test("prints its version and its help", async () => {
  expect(await run(["--version"])).toEqual({ status: 0, out: `${version}\n`, err: "" });
  const help = await run(["--help"]);
  expect([help.status, help.err]).toEqual([0, ""]);
  expect(help.out).toContain("--heartbeat-interval");
});

test("names every invalid setting and refuses to start", async () => {
  const { status, out, err } = await run(["--port", "http"], "", { TEXT_LIMIT: "many" });
  expect([status, out]).toEqual([2, ""]);
  expect(err).toMatch(/^shoal: PORT .*\nshoal: TEXT_LIMIT .*\n$/);
});

describe("while it runs", () => {
  let shoal: Shoal;
  beforeAll(async () => {
    shoal = await startShoal({ program });
  });
  afterAll(() => shoal.end());

  test("serves the page with all its files, and the client library", async () => {
    const page = await fetch(`${shoal.http}/fishing`, { headers: { Accept: "text/html" } });
    const html = await page.text();
    expect([page.status, html.slice(0, 15)]).toEqual([200, "<!doctype html>"]);
    const paths = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path!);
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) {
      const file = await fetch(shoal.http + path);
      expect([path, file.status, (await file.bytes()).length > 0]).toEqual([path, 200, true]);
    }
    const library = await fetch(`${shoal.http}/-/client.js`);
    expect(library.headers.get("content-type")).toStartWith("text/javascript");
    expect(await library.text()).toMatch(/export\s*\{[^}]*\bconnect\b/);
  });

  test("two clients talk, and shoal chat sends and prints lines", async () => {
    const ann = await enterAs(`${shoal.ws}/fishing`, "ann");
    const bob = await enterAs(`${shoal.ws}/fishing`, "bob", V1);
    ann.say({ type: "message", text: "Anything biting?" });
    expect(await bob.nextOf("message")).toMatchObject({ text: "Anything biting?", user: "ann" });
    const chat = await run(["chat", `${shoal.http}/fishing`, "--name", "ci"], "done\n");
    expect([chat.status, chat.err]).toEqual([0, ""]);
    expect(chat.out).toEndWith(" ci: done\n");
    expect(await bob.nextOf("message")).toMatchObject({ text: "done", user: "ci" });
  });
});

test("with DATABASE, messages and names survive kill -9", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-binary-"));
  const env = { DATABASE: join(folder, "chat.sqlite"), HEARTBEAT_INTERVAL: "0.5" };
  const first = await startShoal({ program, env });
  const ann = await enter(`${first.ws}/a`, V1);
  ann.say({ type: "identity", user: "ann" });
  const { session } = await ann.nextOf("identity");
  // Only a name that was held for a whole interval waits for its session after a restart.
  const reader = await enter(`${first.ws}/a`);
  for (let beats = 0; beats < 2; beats++) await reader.nextOf("heartbeat");
  ann.say({ type: "message", text: "kept", ref: "1" });
  const { id } = await ann.nextOf("ack");
  await first.end("SIGKILL");

  const second = await startShoal({ program, env });
  const back = await enter(`${second.ws}/a`, V1);
  back.say({ type: "identity", user: "ann" });
  expect(await back.nextOf("identity")).toMatchObject({ success: "false", code: "name_taken" });
  back.say({ type: "identity", user: "ann", session });
  expect(await back.nextOf("identity")).toMatchObject({ success: "true", session });
  back.say({ type: "history" });
  expect((await back.nextOf("history")).messages).toMatchObject([{ id, text: "kept" }]);
  expect(await second.end()).toBe(0);
  rmSync(folder, { recursive: true });
});

test("backs up, exports, checks and forgets", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-binary-"));
  const env = { DATABASE: join(folder, "chat.sqlite") };
  const shoal = await startShoal({ program, env });
  const ann = await enterAs(`${shoal.ws}/fishing`, "ann", V1);
  ann.say({ type: "message", text: "Anything biting?", ref: "1" });
  await ann.nextOf("ack");
  const backup = await run(["backup", join(folder, "backup.sqlite")], "", env);
  expect([backup.status, backup.out]).toEqual([0, expect.stringContaining("1 message\n")]);
  await shoal.end();
  const exported = await run(["export", "fishing"], "", env);
  expect(JSON.parse(exported.out)).toMatchObject({ text: "Anything biting?", user: "ann" });
  const forgotten = await run(["forget", "--name", "ann", "--yes"], "", env);
  expect([forgotten.status, forgotten.err]).toEqual([0, ""]);
  expect((await run(["export", "fishing"], "", env)).out).toBe("");
  const check = await run(["check"], "", env);
  expect([check.status, check.out]).toEqual([0, expect.stringContaining("No fault was found.")]);
  rmSync(folder, { recursive: true });
});

test("does not start beside a .env file in UTF-16", async () => {
  const start = startShoal({ program, files: { ".env": "\ufeffT\0E\0X\0T\0" } });
  await expect(start).rejects.toThrow(".env is not UTF-8 text");
});

test("on SIGTERM, closes every connection with 1001 and exits with status 0", async () => {
  const shoal = await startShoal({ program });
  const ann = await enter(`${shoal.ws}/a`);
  const status = shoal.end("SIGTERM");
  expect((await ann.closed).code).toBe(1001);
  expect(await status).toBe(0);
});

test("reads .env but not bunfig.toml from the folder it starts in", async () => {
  const files = {
    ".env": "TEXT_LIMIT=11\n",
    "bunfig.toml": 'preload = ["./preload.ts"]\n',
    "preload.ts": 'console.log("preloaded");\n',
  };
  const shoal = await startShoal({ program, files });
  const ann = await enter(`${shoal.ws}/a`, V1);
  ann.say({ type: "identity", user: "ann" });
  ann.say({ type: "message", text: "x".repeat(12) });
  expect((await ann.nextOf("error")).code).toBe("text_too_long");
  await shoal.end();
  expect(shoal.output()).not.toContain("preloaded");
});
