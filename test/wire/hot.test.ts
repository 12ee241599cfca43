import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ERRORS } from "../../src/protocol/codes.ts";
import { connect, enter, enterAs, V1 } from "../helpers/client.ts";

/** `npm start`: the server under `bun run --hot`. */

const ROOT = resolve(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "shoal-hot-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Some time after each load, prints how many timers and listeners there are. */
const COUNT = `
  const timers = new Set();
  const [set, clear] = [setInterval, clearInterval];
  const workers = [];
  globalThis.Worker = class extends Worker {
    listeners = 0;
    constructor(...args) {
      super(...args);
      workers.push(this);
    }
    addEventListener(...args) {
      super.addEventListener(...args);
      this.listeners++;
    }
    removeEventListener(...args) {
      super.removeEventListener(...args);
      this.listeners--;
    }
  };
  globalThis.setInterval = (...args) => {
    const timer = set(...args);
    timers.add(timer);
    setTimeout(() => console.log("load " + JSON.stringify({
      edit: globalThis.edit ?? 0,
      timers: timers.size,
      signals: process.listenerCount("SIGINT") + process.listenerCount("SIGTERM"),
      errors: process.stdout.listenerCount("error"),
      onWorkers: workers.map(({ listeners }) => listeners),
    })), 100);
    return timer;
  };
  globalThis.clearInterval = (timer) => { timers.delete(timer); clear(timer); };
`;

interface Load {
  edit: number;
  timers: number;
  signals: number;
  errors: number;
  onWorkers: number[];
}

/** A copy of the source, to be edited. */
function copySource(): string {
  const copy = mkdtempSync(join(folder, "copy-"));
  for (const name of ["src", "package.json", "tsconfig.json"]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  writeFileSync(join(copy, "count.ts"), COUNT);
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** A server under `--hot` in a copy of the source, for as long as `await using` keeps it. */
class HotServer {
  /** Everything it has written so far, to standard output and standard error. */
  output = "";
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  private readonly codes: string;
  private readonly reading: Promise<unknown>;

  private edited: string | undefined;

  constructor(env: Record<string, string>) {
    const copy = copySource();
    this.codes = join(copy, "src/protocol/codes.ts");
    const args = ["run", "--hot", "--no-clear-screen", "--preload", "./count.ts", "src/main.ts"];
    this.child = Bun.spawn([process.execPath, ...args], {
      cwd: copy,
      env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const read = async (stream: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) this.output += decoder.decode(chunk, { stream: true });
    };
    this.reading = Promise.all([read(this.child.stdout), read(this.child.stderr)]);
  }

  /** What was counted after each load of the code. One edit may cause more than one. */
  get loads(): Load[] {
    return [...this.output.matchAll(/^load (.*)$/gm)].map(([, json]) => JSON.parse(json!));
  }

  /** Waits until the code of an edit runs; 0 is the code as it was. @returns its ws: address */
  async loaded(edit: number): Promise<string> {
    await this.until(() => this.loads.at(-1)?.edit === edit);
    return /"url":"([^"]+)\/"/.exec(this.output)![1]!.replace("http", "ws");
  }

  /** Waits for this, and saves the last edit again now and then: Bun can miss one on a busy machine. */
  async until(done: () => boolean): Promise<void> {
    for (let tries = 1; !done(); tries++) {
      await Bun.sleep(10);
      if (tries % 300 === 0 && this.edited !== undefined) await this.edit(this.edited);
    }
  }

  /** Appends a line to a file that the whole server depends on. */
  async edit(line: string): Promise<void> {
    this.edited = line;
    const original = await Bun.file(join(ROOT, "src/protocol/codes.ts")).text();
    // In one step, so that no half of it is ever loaded.
    await Bun.write(`${this.codes}.new`, `${original}\n${line}\n`);
    renameSync(`${this.codes}.new`, this.codes);
  }

  /** Edits the sentence of an error. */
  sentence(edit: number): Promise<void> {
    const line = `globalThis.edit = ${edit}; Object.assign(ERRORS, { not_identified: "Edit ${edit}" });`;
    return this.edit(line);
  }

  /** @returns its exit status */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    this.child.kill(signal);
    await this.reading;
    return this.child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}

/** Milliseconds: each edit takes a while, the longer the busier the machine is. */
const LONG = 60_000;

describe("an edit under --hot", () => {
  test.concurrent.each([[{}], [{ DATABASE: "hot.sqlite" }]])(
    "keeps sockets, names, history and heartbeats, and leaves no timer or listener behind: %j",
    async (env) => {
      await using server = new HotServer({ ...env, HEARTBEAT_INTERVAL: "1" });
      const url = `${await server.loaded(0)}/a`;
      const ann = await enterAs(url, "ann", V1);
      const bob = await enterAs(url, "bob", { alive: true });
      const beats: string[] = [];
      bob.socket.addEventListener("message", ({ data }) => {
        if (String(data).includes('"heartbeat"')) beats.push(String(data));
      });
      ann.say({ type: "message", text: "before" });
      const { id } = await ann.nextOf("message");

      for (let edit = 1; edit <= 3; edit++) {
        await server.sentence(edit);
        await server.loaded(edit);
        const eve = await enter(url);
        eve.say({ type: "message", text: "hi" });
        expect((await eve.nextOf("error")).message).toBe(`Edit ${edit}`);
        eve.say({ type: "identity", user: "ann" });
        expect((await eve.nextOf("identity")).success).toBe("false");
        await eve.close();
        ann.say({ type: "message", text: `after ${edit}` });
        expect((await ann.nextOf("message")).text).toBe(`after ${edit}`);
        const seen = beats.length;
        while (beats.length === seen) await Bun.sleep(10);
      }
      ann.say({ type: "history", after: id });
      expect(await ann.nextOf("history")).toMatchObject({
        messages: [{ text: "after 1" }, { text: "after 2" }, { text: "after 3" }],
        gap: "false",
      });
      expect(new Set(beats)).toEqual(new Set(['{"type":"heartbeat","authenticated":"true"}']));
      const [writer] = server.loads[0]!.onWorkers;
      for (const { onWorkers, ...load } of server.loads) {
        expect(load).toMatchObject({ timers: 1, signals: 2, errors: 1 });
        // The second thread, which reads, starts when it is needed.
        expect(onWorkers).toEqual(
          onWorkers.length > 1 ? [writer!, 1] : [writer!].slice(0, onWorkers.length),
        );
      }

      expect(await server.end()).toBe(0);
      expect((await ann.closed).code).toBe(1001);
      // The SQLite thread ends as well, and nothing may report that as a failure.
      expect(server.output).not.toMatch(/"level":"(warn|error)"|^shoal:/m);
    },
    LONG,
  );

  test.concurrent(
    "with a syntax error is reported, and the code before it goes on",
    async () => {
      await using server = new HotServer({ HEARTBEAT_INTERVAL: "86400" });
      const ann = await enter(`${await server.loaded(0)}/a`);
      await server.edit("this is not TypeScript (");
      await server.until(() => server.output.includes("codes.ts"));
      ann.say({ type: "message", text: "hi" });
      expect((await ann.nextOf("error")).message).toBe(ERRORS.not_identified);
      await server.sentence(1);
      await server.loaded(1);
      ann.say({ type: "message", text: "hi" });
      expect((await ann.nextOf("error")).message).toBe("Edit 1");
      expect(await server.end()).toBe(0);
    },
    LONG,
  );
});

test("npm start passes a signal on to the server", async () => {
  const child = Bun.spawn(["npm", "start", "--silent"], {
    cwd: ROOT,
    env: { ...process.env, HOST: "127.0.0.1", PORT: "0" },
    stdout: "pipe",
    stderr: "ignore",
  });
  let out = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    out += chunk;
    if (out.includes('"url"')) break;
  }
  const url = /"url":"([^"]+)"/.exec(out)![1]!.replace("http", "ws");
  const client = await enter(`${url}a`);
  child.kill("SIGTERM");
  expect((await client.closed).code).toBe(1001);
  await child.exited;
  await expect(connect(`${url}a`)).rejects.toThrow();
});
