import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, enter, enterAs, V1 } from "../helpers/client.ts";
import { PROGRAMS } from "../helpers/shoal.ts";

/** A full disk. A limit on the size of files stands in for it: it can be raised at run time. */

const folder = mkdtempSync(join(tmpdir(), "shoal-disk-"));
const children: Bun.Subprocess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a Shoal that can write files of so many KiB. */
function startLimited(kibibytes: number, settings: Record<string, string>) {
  return start(limited(kibibytes), settings);
}

async function start(command: string[], settings: Record<string, string>) {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", MESSAGE_RATE: "0", ...settings },
    stdout: "pipe",
  });
  children.push(child);
  const shoal = { child, out: "" };
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) shoal.out += decoder.decode(chunk, { stream: true });
  })();
  while (!shoal.out.includes('"url"')) {
    if (child.exitCode !== null) throw new Error("Shoal did not start");
    await Bun.sleep(5);
  }
  const http = /"url":"([^"]+)\/"/.exec(shoal.out)![1]!;
  return Object.assign(shoal, { ws: http.replace("http", "ws"), health: `${http}/-/health` });
}

/** What starts a Shoal that can write files of so many KiB. */
function limited(kibibytes: number): string[] {
  const command = PROGRAMS.source.join(" ");
  return ["bash", "-c", `trap '' XFSZ; ulimit -S -f ${kibibytes}; exec ${command}`];
}

/** Sets that limit of a running process. */
function limitTo(size: string, pid: number): void {
  const { exitCode } = Bun.spawnSync(["prlimit", `--fsize=${size}`, "--pid", String(pid)]);
  expect(exitCode).toBe(0);
}

test("on a full disk, makes no new database: it names the file and refuses to start", () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(limited(1), {
    cwd: folder,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", DATABASE: "none.sqlite" },
  });
  expect([exitCode, stdout.toString()]).toEqual([1, ""]);
  expect(stderr.toString()).toMatch(
    /DATABASE none\.sqlite .*(database or disk is full|disk I\/O error)\.\n$/,
  );
});

interface Posted {
  type: string;
  id: number;
  prev: number;
  user?: string;
  code?: string;
}

/** Posts long texts until one is refused, and checks the links of those before it. */
async function fillUp(client: Client, text: string): Promise<number> {
  let last = 0;
  // The limit is reached long before 2,000 messages.
  for (let n = 0; n < 2000; n++) {
    client.say({ type: "message", text, ref: `${n}` });
    for (let frame = {} as Posted; frame.type !== "ack";) {
      frame = JSON.parse(await client.next()) as Posted;
      if (frame.type === "error") {
        expect(frame.code).toBe("unavailable");
        return n;
      }
      if (frame.type !== "message") continue;
      expect(frame.prev).toBe(last);
      last = frame.id;
    }
  }
  throw new Error("The disk is not full.");
}

/** The id of the newest message. */
async function lastId(url: string): Promise<number> {
  const client = await enter(url, V1);
  client.say({ type: "history", limit: 1 });
  const { messages } = await client.nextOf("history");
  await client.close();
  return (messages as Posted[])[0]!.id;
}

test("when the disk fills up, only messages are refused, until there is room again", async () => {
  const settings = { DATABASE: "full.sqlite", HEARTBEAT_INTERVAL: "5" };
  const shoal = await startLimited(256, settings);
  const { child, health } = shoal;
  const url = `${shoal.ws}/a`;
  const ann = await enterAs(url, "ann", V1);
  const plain = await enterAs(url, "plain", { alive: true });

  const text = "x".repeat(1900);
  const refused = await fillUp(ann, text);
  // A smaller write may still find room.
  for (let answer = ""; !answer.includes('"unavailable"');) {
    plain.say({ type: "message", text });
    do answer = await plain.next();
    while (answer.includes('"user":"ann"'));
  }
  // Newcomers can take names and read what was posted.
  const last = await lastId(url);
  const bob = await enterAs(url, "bob", V1);
  bob.say({ type: "history", limit: 1 });
  expect((await bob.nextOf("history")).messages).toMatchObject([{ id: last }]);
  expect(shoal.out).toMatch(/"level":"error".*database/);

  expect((await fetch(health)).status).toBe(503);

  limitTo("unlimited:unlimited", child.pid);
  // Nobody needs to send a message for it: a proxy may send nobody here until it is healthy.
  while ((await fetch(health)).status !== 200) await Bun.sleep(20);
  // The same ref again, as the refusal allows: the text was not posted.
  ann.say({ type: "message", text, ref: `${refused}` });
  const answers: Posted[] = [];
  while (answers.length < 2) {
    const frame = JSON.parse(await ann.next()) as Posted;
    if (frame.user !== "plain") answers.push(frame);
  }
  const [ack, posted] = answers.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  expect(posted).toMatchObject({ type: "message", prev: last });
  expect<unknown>(ack).toEqual({ type: "ack", ref: `${refused}`, id: posted!.id });
  expect(shoal.out).toMatch(/"level":"info".*database/);

  // A server whose disk is full again still stops cleanly.
  limitTo("1:1", child.pid);
  ann.say({ type: "message", text });
  expect((await ann.nextOf("error")).code).toBe("unavailable");
  child.kill();
  expect(await child.exited).toBe(0);
});

test("on a full disk, starts with the database that is there, and refuses only messages", async () => {
  const settings = { DATABASE: "there.sqlite" };
  const first = await startLimited(256, settings);
  const ann = await enterAs(`${first.ws}/a`, "ann", V1);
  ann.say({ type: "message", text: "before", ref: "1" });
  const { id } = await ann.nextOf("ack");
  first.child.kill();
  expect(await first.child.exited).toBe(0);

  const second = await startLimited(0, settings);
  expect(second.out).toMatch(/"level":"error".*database.*"reason"/);
  // For longer than it takes the broker to renew.
  for (let n = 0; n < 15; n++, await Bun.sleep(100)) {
    expect((await fetch(second.health)).status).toBe(503);
  }
  const bob = await enterAs(`${second.ws}/a`, "bob", V1);
  bob.say({ type: "history" });
  expect((await bob.nextOf("history")).messages).toMatchObject([{ id, text: "before" }]);
  bob.say({ type: "message", text: "after", ref: "1" });
  expect((await bob.nextOf("error")).code).toBe("unavailable");
  limitTo("unlimited:unlimited", second.child.pid);
  while ((await fetch(second.health)).status !== 200) await Bun.sleep(20);
  bob.say({ type: "message", text: "after", ref: "1" });
  await bob.nextOf("ack");
  expect(second.out).toMatch(/"level":"info".*database works again/);
  second.child.kill();
  expect(await second.child.exited).toBe(0);
});

/** Runs a command with a small disk of its own, where the user may do that. */
const disk = join(folder, "disk");
const inDisk = [
  ...["unshare", "--map-root-user", "--mount", "bash", "-c"],
  `mount -t tmpfs -o size=20m none ${disk} && exec "$@"`,
  "bash",
];
mkdirSync(disk);
const hasDisks = process.platform === "linux" && Bun.spawnSync([...inDisk, "true"]).exitCode === 0;

if (!hasDisks) {
  console.warn("disk.test.ts skips one test: this user may not mount a disk of its own.");
}
test.if(hasDisks)("with little room left, refuses messages, but removes them", async () => {
  const shoal = await start([...inDisk, ...PROGRAMS.source], {
    DATABASE: join(disk, "chat.sqlite"),
  });
  const { child, health } = shoal;
  // The disk as the server sees it.
  const filler = `/proc/${child.pid}/root${disk}/filler`;
  const ann = await enterAs(`${shoal.ws}/a`, "ann", V1);
  ann.say({ type: "message", text: "regretted", ref: "1" });
  const { id } = await ann.nextOf("ack");
  Bun.spawnSync(["fallocate", "--length", "20000000", filler]);
  ann.say({ type: "message", text: "refused", ref: "2" });
  expect((await ann.nextOf("error")).code).toBe("unavailable");
  expect((await fetch(health)).status).toBe(503);
  expect(shoal.out).toContain("the disk is almost full");
  ann.say({ type: "delete", id, ref: "3" });
  await ann.nextOf("ack");
  ann.say({ type: "history" });
  expect((await ann.nextOf("history")).messages).toMatchObject([{ text: "" }, { deletes: id }]);
  rmSync(filler);
  while ((await fetch(health)).status !== 200) await Bun.sleep(20);
  ann.say({ type: "message", text: "refused", ref: "2" });
  await ann.nextOf("ack");
  child.kill();
  expect(await child.exited).toBe(0);
});
