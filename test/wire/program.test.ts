import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { version } from "../../package.json";
import { connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { rawSocket } from "../helpers/raw.ts";
import { type Program, PROGRAMS, startShoal } from "../helpers/shoal.ts";

/** Shoal as a program: its words, its settings, its signals. */

const ROOT = resolve(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "shoal-program-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  status: number;
  out: string;
  err: string;
}

function run(
  program: Program,
  args: string[],
  env: Record<string, string> = {},
  cwd = folder,
): Run {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...PROGRAMS[program], ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    timeout: 20_000,
  });
  return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe.each(["source", "binary"] as Program[])("%s", (program) => {
  test("--help and --version", () => {
    const help = run(program, ["--help"]);
    expect(help.status).toBe(0);
    expect(help.out).toContain("Usage: shoal");
    expect(help.out).toContain("--heartbeat-interval");
    expect(run(program, ["-h"])).toEqual(help);
    expect(run(program, ["--version"])).toEqual({ status: 0, out: `${version}\n`, err: "" });
  });

  test("unknown words are told, and nothing starts", () => {
    for (const [args, words] of [
      [["--prot", "1"], "'--prot'"],
      [["serv"], '"serv" is not a command'],
      [["serve", "now"], '"serve now" is not a command'],
      [["--port"], "--port"],
    ] as const) {
      const { status, out, err } = run(program, [...args]);
      expect([status, out]).toEqual([2, ""]);
      expect(err).toContain(words);
      expect(err).toContain("shoal --help");
      expect(err).not.toContain("    at ");
    }
  });

  test("every fault of the settings is told at once, and nothing starts", () => {
    const { status, out, err } = run(program, ["--port", "http"], {
      TEXT_LIMIT: "many",
      TLS_CERT: "no",
    });
    expect([status, out]).toEqual([2, ""]);
    expect(err.trim().split("\n")).toEqual([
      'shoal: PORT is "http", but must be a whole number from 0 to 65535.',
      'shoal: TEXT_LIMIT is "many", but must be a whole number from 1 to 1000000.',
      "shoal: TLS_CERT and TLS_KEY go together: set both, or neither.",
      'shoal: TLS_CERT is "no", but no file can be read there.',
    ]);
  });

  test("a port in use, an address of another machine and a bad certificate are told", async () => {
    const shoal = await startShoal({ program });
    const port = new URL(shoal.http).port;
    const taken = run(program, [], { HOST: "127.0.0.1", PORT: port });
    expect(taken.status).toBe(1);
    expect(taken.err).toContain(`HOST 127.0.0.1, PORT ${port} can not be used`);
    await shoal.end();
    expect(run(program, [], { HOST: "192.0.2.1", PORT: "0" }).err).toContain("HOST 192.0.2.1");
    const pem = join(folder, "bad.pem");
    writeFileSync(pem, "no certificate");
    const bad = run(program, [], { HOST: "127.0.0.1", PORT: "0", TLS_CERT: pem, TLS_KEY: pem });
    expect([bad.status, bad.out]).toEqual([1, ""]);
    expect(bad.err).toContain(pem);
    const database = run(program, [], { HOST: "127.0.0.1", PORT: "0", DATABASE: pem });
    expect([database.status, database.out]).toEqual([1, ""]);
    expect(database.err).toContain("file is not a database");
  });

  test("settings come from .env, before it from the environment, before that from a flag", async () => {
    const cwd = mkdtempSync(join(folder, "env-"));
    writeFileSync(
      join(cwd, ".env"),
      "HOST=127.0.0.1\nPORT=0\nTEXT_LIMIT=11\nMESSAGE_BURST=12\nMESSAGE_RATE=13\n",
    );
    const child = Bun.spawn([...PROGRAMS[program], "--message-rate", "33"], {
      cwd,
      env: { PATH: process.env.PATH, MESSAGE_BURST: "22" },
      stdout: "pipe",
    });
    let out = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      out += chunk;
      if (out.includes("\n")) break;
    }
    const { url } = JSON.parse(out) as { url: string };
    const client = await connect(`${url.replace("http", "ws")}a`, V1);
    const { limits } = await client.nextOf("connection");
    expect(limits).toEqual({ text: 11, rate: 33, burst: 22, history: 100 });
    child.kill();
    expect(await child.exited).toBe(0);
  });

  test("a port that browsers refuse works, and is warned about", async () => {
    const { output, end, ws } = await startShoal({ program, env: { PORT: "10080" } });
    await (await enter(`${ws}/a`)).close();
    await end();
    expect(output()).toContain("browsers refuse to connect to this port");
    // 80 is the port that a URL leaves out. Who may not listen there is not warned either.
    const child = Bun.spawn([...PROGRAMS[program]], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "80" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const first = await Promise.race([
      child.stdout.getReader().read(),
      child.exited.then(() => ({ value: new Uint8Array() })),
    ]);
    child.kill();
    await child.exited;
    expect(new TextDecoder().decode(first.value)).not.toContain("browsers refuse");
  });

  test("neither texts nor sessions are in the log, at any level", async () => {
    const shoal = await startShoal({
      program,
      env: { LOG_LEVEL: "debug", MESSAGE_RATE: "1", MESSAGE_BURST: "3" },
    });
    const ann = await enter(`${shoal.ws}/a`, V1);
    ann.say({ type: "identity", user: "ann" });
    const { session } = await ann.nextOf("identity");
    ann.say({ type: "message", text: "a secret between us" });
    await ann.nextOf("message");
    for (let n = 0; n < 120; n++) ann.say({ type: "message", text: "a secret between us" });
    await ann.closed;
    await shoal.end();
    expect(shoal.output()).toContain("connection opened");
    expect(shoal.output()).toContain("closed for flooding");
    expect(shoal.output()).not.toContain("secret");
    expect(shoal.output()).not.toContain(String(session).slice(0, 8));
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: everyone is told, and it ends in time",
    async (signal) => {
      const shoal = await startShoal({ program });
      const ann = await enterAs(`${shoal.ws}/a`, "ann");
      const others = await Promise.all(
        Array.from({ length: 50 }, () => enter(`${shoal.ws}/b`, V1)),
      );
      const started = performance.now();
      const ended = shoal.end(signal);
      expect(await ann.closed).toEqual({
        code: 1001,
        reason: "The server is stopping. Connect again in a moment.",
      });
      for (const other of others) expect((await other.closed).code).toBe(1001);
      expect(await ended).toBe(0);
      expect(performance.now() - started).toBeLessThan(2000);
      expect(connect(`${shoal.ws}/a`)).rejects.toThrow();
    },
  );

  test("it ends in time also if a client does not answer the close", async () => {
    const shoal = await startShoal({ program });
    const client = Bun.spawn(
      [
        process.execPath,
        "-e",
        `const ws = new WebSocket("${shoal.ws}/a"); ws.onmessage = ({ data }) => console.log(data);`,
      ],
      { stdout: "pipe" },
    );
    const reader = client.stdout.getReader();
    await reader.read();
    client.kill("SIGSTOP");
    const started = performance.now();
    expect(await shoal.end()).toBe(0);
    expect(performance.now() - started).toBeLessThan(2000);
    client.kill("SIGKILL");
  });

  test("a second signal ends it at once", async () => {
    const shoal = await startShoal({ program });
    // Half a request is what a drain waits for, as long as it may.
    const half = await rawSocket(shoal.http);
    half.write("GET /a HTTP/1.1\r\nHost: loc");
    await (await enter(`${shoal.ws}/a`)).close();
    process.kill(shoal.pid, "SIGTERM");
    while (!shoal.output().includes("stopping")) await Bun.sleep(1);
    expect(await shoal.end("SIGINT")).toBe(1);
    half.end();
  });
});

test("TLS: wss and https with a certificate and its key", async () => {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const made = Bun.spawnSync(
    ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"].concat(
      "-days",
      "2",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-keyout",
      key,
      "-out",
      cert,
    ),
  );
  expect(made.exitCode).toBe(0);
  const shoal = await startShoal({ env: { TLS_CERT: cert, TLS_KEY: key } });
  expect(shoal.http).toStartWith("https://");
  const tls = { ca: await Bun.file(cert).text() };
  const health = await fetch(`${shoal.http}/-/health`, { tls });
  expect(health.status).toBe(200);
  const plain = await fetch(`${shoal.http}/a`, { tls });
  expect(await plain.text()).toContain(`wss://${new URL(shoal.http).host}/a`);
  const socket = new WebSocket(`${shoal.ws}/a`, { tls } as never);
  const frame = await new Promise((done) => (socket.onmessage = ({ data }) => done(data)));
  expect(frame).toBe('{"type":"connection","id":"a"}');
  socket.close();
  await shoal.end();
});

test("npm start: a signal reaches the server through npm", async () => {
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
  const url = /"url":"([^"]+)"/.exec(out)![1]!;
  const client = await enter(`${url.replace("http", "ws")}a`);
  child.kill("SIGTERM");
  expect((await client.closed).code).toBe(1001);
  await child.exited;
  expect(connect(`${url.replace("http", "ws")}a`)).rejects.toThrow();
});

describe("bun run --hot", () => {
  /** A copy of the source, to be edited. */
  function copySource(): string {
    const copy = mkdtempSync(join(folder, "copy-"));
    for (const name of ["src", "package.json", "tsconfig.json"]) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    // Tells, some time after each edit, how many timers and listeners there are.
    writeFileSync(
      join(copy, "count.ts"),
      `const timers = new Set();
       const [set, clear] = [setInterval, clearInterval];
       globalThis.setInterval = (...args) => {
         const timer = set(...args);
         timers.add(timer);
         setTimeout(() => console.log("load " + JSON.stringify({
           timers: timers.size,
           signals: process.listenerCount("SIGINT") + process.listenerCount("SIGTERM"),
           errors: process.stdout.listenerCount("error"),
         })), 100);
         return timer;
       };
       globalThis.clearInterval = (timer) => { timers.delete(timer); clear(timer); };`,
    );
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    return copy;
  }

  test.each([[{}], [{ DATABASE: "hot.sqlite" }]])(
    "an edit keeps sockets, names and heartbeats, and leaves nothing behind (%j)",
    async (env) => {
      const copy = copySource();
      const codes = join(copy, "src/protocol/codes.ts");
      const codesText = await Bun.file(codes).text();
      const args = ["run", "--hot", "--preload", join(copy, "count.ts"), "src/main.ts"];
      const child = Bun.spawn([process.execPath, ...args], {
        cwd: copy,
        env: {
          PATH: process.env.PATH,
          HOST: "127.0.0.1",
          PORT: "0",
          HEARTBEAT_INTERVAL: "1.5",
          ...env,
        },
        stdout: "pipe",
      });
      let out = "";
      const reading = (async () => {
        for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) out += chunk;
      })();
      const loads = () => [...out.matchAll(/^load (.*)$/gm)].map(([, counts]) => counts!);
      const until = async (condition: () => boolean) => {
        while (!condition()) await Bun.sleep(10);
      };
      await until(() => loads().length === 1);
      const url = /"url":"([^"]+)\/"/.exec(out)![1]!.replace("http", "ws");
      const ann = await enterAs(`${url}/a`, "ann", V1);
      const bob = await enterAs(`${url}/a`, "bob", { alive: true });
      const beats: string[] = [];
      bob.socket.addEventListener("message", ({ data }) => {
        if (String(data).includes('"heartbeat"')) beats.push(String(data));
      });
      ann.say({ type: "message", text: "before" });
      const before = await ann.nextOf("message");

      for (let edit = 1; edit <= 3; edit++) {
        await Bun.write(
          codes,
          codesText.replace("Take a name first", `Edit ${edit}: a name first`),
        );
        await until(() => loads().length === edit + 1);
        const eve = await enter(`${url}/a`);
        eve.say({ type: "message", text: "hi" });
        expect((await eve.nextOf("error")).message).toStartWith(`Edit ${edit}:`);
        eve.say({ type: "identity", user: "ann" });
        expect((await eve.nextOf("identity")).success).toBe("false");
        await eve.close();
        ann.say({ type: "message", text: `after ${edit}` });
        expect((await ann.nextOf("message")).text).toBe(`after ${edit}`);
        const before = beats.length;
        await until(() => beats.length > before);
      }
      ann.say({ type: "history", after: before.id });
      const history = await ann.nextOf("history");
      expect(history.gap).toBe("false");
      expect((history.messages as { text: string }[]).map(({ text }) => text)).toEqual([
        "after 1",
        "after 2",
        "after 3",
      ]);
      expect(new Set(beats)).toEqual(new Set(['{"type":"heartbeat","authenticated":"true"}']));
      // A syntax error is told, and the old code goes on.
      await Bun.write(codes, "this is no TypeScript (");
      await Bun.sleep(300);
      ann.say({ type: "message", text: "still here" });
      expect((await ann.nextOf("message")).text).toBe("still here");

      expect(new Set(loads())).toEqual(new Set(['{"timers":1,"signals":2,"errors":1}']));
      child.kill("SIGTERM");
      expect((await ann.closed).code).toBe(1001);
      expect(await child.exited).toBe(0);
      await reading;
    },
  );
});
