import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { CLOSE } from "../../src/protocol/codes.ts";
import { connect, enter, enterAs, V1 } from "../helpers/client.ts";
import { rawSocket } from "../helpers/raw.ts";
import { PROGRAMS, startShoal } from "../helpers/shoal.ts";

/** Shoal as a program: its arguments, its settings, its log, its signals. */

const folder = mkdtempSync(join(tmpdir(), "shoal-program-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs Shoal to its end. */
async function run(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([...PROGRAMS.source, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, out, err };
}

describe("arguments and settings", () => {
  test("--help and --version", async () => {
    const help = await run(["--help"]);
    expect([help.status, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("Usage: shoal");
    expect(help.out).toContain("--heartbeat-interval");
    for (const tool of ["backup", "export", "check", "forget"]) {
      expect(help.out).toContain(`shoal ${tool} `);
    }
    expect(await run(["-h"])).toEqual(help);
    expect(await run(["--version"])).toEqual({ status: 0, out: `${version}\n`, err: "" });
  });

  test.each([
    [["--prot", "1"], "'--prot'"],
    [["serv"], '"serv"'],
    [["serve", "now"], '"serve now"'],
    [["--port"], "--port"],
  ])("names an unknown argument and refuses to start: %j", async (args, named) => {
    const { status, out, err } = await run(args);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toStartWith("shoal: ");
    expect(err).toContain(named);
    expect(err).toContain("shoal --help");
    // No stack trace.
    expect(err).not.toContain("    at ");
  });

  test("names every invalid setting and refuses to start", async () => {
    const { status, out, err } = await run(["--port", "http"], {
      TEXT_LIMIT: "many",
      TLS_CERT: "no",
    });
    expect([status, out]).toEqual([2, ""]);
    expect(err.trim().split("\n")).toEqual([
      expect.stringMatching(/^shoal: PORT .*"http".* 0 to 65535\b/),
      expect.stringMatching(/^shoal: TEXT_LIMIT .*"many".* 1 to 1000000\b/),
      expect.stringMatching(/^shoal: TLS_CERT .*TLS_KEY/),
      expect.stringMatching(/^shoal: TLS_CERT .*"no"/),
    ]);
  });

  test("names a port in use", async () => {
    const shoal = await startShoal();
    const { port } = new URL(shoal.http);
    const { status, out, err } = await run([], { HOST: "127.0.0.1", PORT: port });
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain(`HOST 127.0.0.1, PORT ${port}`);
    await shoal.end();
  });

  test("names an address that this machine does not have", async () => {
    const { status, out, err } = await run([], { HOST: "192.0.2.1", PORT: "0" });
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain("HOST 192.0.2.1");
  });

  test.each([
    [["TLS_CERT", "TLS_KEY"], ""],
    [["DATABASE"], "file is not a database"],
  ])("names a file that cannot be used as %j", async (variables, reason) => {
    const path = join(folder, "text.txt");
    writeFileSync(path, "neither a certificate nor a database");
    const { status, out, err } = await run([], {
      HOST: "127.0.0.1",
      PORT: "0",
      ...Object.fromEntries(variables.map((variable) => [variable, path])),
    });
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain(path);
    expect(err).toContain(reason);
  });

  test("flags override environment variables, which override .env", async () => {
    const shoal = await startShoal({
      files: { ".env": "TEXT_LIMIT=11\nMESSAGE_BURST=12\nMESSAGE_RATE=13\n" },
      env: { MESSAGE_BURST: "22", MESSAGE_RATE: "23" },
      args: ["--message-rate", "33"],
    });
    const client = await connect(`${shoal.ws}/a`, V1);
    const { limits } = await client.nextOf("connection");
    expect(limits).toEqual({ text: 11, rate: 33, burst: 22, history: 100 });
    expect(await shoal.end()).toBe(0);
  });
});

describe("a .env file", () => {
  const bytes = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding);

  test.each([
    [".env", "utf16le"],
    [".env.production.local", "utf16le"],
  ] as const)("refuses to start beside a %s in UTF-16, and names it", async (name, encoding) => {
    for (const start of ["", "\ufeff"]) {
      writeFileSync(join(folder, name), bytes(`${start}HOST=127.0.0.1\r\n`, encoding));
      const { status, out, err } = await run([], { HOST: "127.0.0.1", PORT: "0" });
      rmSync(join(folder, name));
      expect([status, out]).toEqual([2, ""]);
      expect(err).toBe(
        `shoal: ${name} is not UTF-8 text, so its settings would be ignored. Save it as UTF-8.\n`,
      );
    }
  });

  test("in UTF-8 with a byte order mark is read", async () => {
    writeFileSync(join(folder, ".env"), "\ufeffTEXT_LIMIT=many\n");
    const { err } = await run([]);
    rmSync(join(folder, ".env"));
    expect(err).toContain("TEXT_LIMIT");
  });
});

describe("log", () => {
  test("warns about a port that browsers refuse, and still serves there", async () => {
    const shoal = await startShoal({ env: { PORT: "10080" } });
    await (await enter(`${shoal.ws}/a`)).close();
    await shoal.end();
    expect(shoal.output()).toMatch(/"level":"warn".*"port":10080/);
  });

  test("does not warn about port 80, which URLs leave out", async () => {
    // Without the right to listen there, it fails to start: there is no warning then either.
    const started = await startShoal({ env: { PORT: "80" } }).catch((error: Error) => error);
    if (started instanceof Error) expect(started.message).toContain("PORT 80");
    else await started.end();
    const output = started instanceof Error ? started.message : started.output();
    expect(output).not.toContain('"level":"warn"');
  });

  test("contains neither texts nor sessions, at any level", async () => {
    const shoal = await startShoal({
      env: { LOG_LEVEL: "debug", MESSAGE_RATE: "1", MESSAGE_BURST: "3" },
    });
    const ann = await enter(`${shoal.ws}/a`, V1);
    ann.say({ type: "identity", user: "ann" });
    const { session } = await ann.nextOf("identity");
    ann.say({ type: "message", text: "a secret between us" });
    await ann.nextOf("message");
    for (let n = 0; n < 120; n++) ann.say({ type: "message", text: "a secret between us" });
    expect((await ann.closed).code).toBe(CLOSE.flooding.code);
    await shoal.end();
    expect(shoal.output()).toContain("connection opened");
    expect(shoal.output()).toContain(`"code":${CLOSE.flooding.code}`);
    expect(shoal.output()).not.toContain("secret");
    expect(shoal.output()).not.toContain(String(session).slice(0, 8));
  });
});

describe("signals", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s closes every connection with 1001, then the server exits with status 0",
    async (signal) => {
      const shoal = await startShoal();
      const ann = await enterAs(`${shoal.ws}/a`, "ann");
      const others = await Promise.all(
        Array.from({ length: 50 }, () => enter(`${shoal.ws}/b`, V1)),
      );
      const status = shoal.end(signal);
      expect(await ann.closed).toEqual(CLOSE.goingAway);
      for (const other of others) expect((await other.closed).code).toBe(CLOSE.goingAway.code);
      expect(await status).toBe(0);
      await expect(connect(`${shoal.ws}/a`)).rejects.toThrow();
    },
  );

  test("a client that does not answer the close does not hold up the exit", async () => {
    const shoal = await startShoal();
    const client = Bun.spawn(
      [
        process.execPath,
        "-e",
        `const ws = new WebSocket("${shoal.ws}/a"); ws.onmessage = ({ data }) => console.log(data);`,
      ],
      { stdout: "pipe" },
    );
    await client.stdout.getReader().read();
    client.kill("SIGSTOP");
    expect(await shoal.end()).toBe(0);
    client.kill("SIGKILL");
  });

  test("a second signal ends the server at once, with status 1", async () => {
    const shoal = await startShoal();
    // A drain waits for half a request as long as it may.
    const half = await rawSocket(shoal.http);
    half.write("GET /a HTTP/1.1\r\nHost: loc");
    await (await enter(`${shoal.ws}/a`)).close();
    process.kill(shoal.pid, "SIGTERM");
    while (!shoal.output().includes("stopping")) await Bun.sleep(1);
    expect(await shoal.end("SIGINT")).toBe(1);
    half.end();
  });
});
