import { describe, expect, test } from "bun:test";
import { PassThrough, Readable } from "node:stream";
import { pipe } from "../../src/terminal/pipe.ts";
import { chat } from "../../src/terminal/terminal.ts";
import { until } from "../helpers/chat.ts";
import { type Client, enterAs, V1 } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";
import { PROGRAMS } from "../helpers/shoal.ts";
import { inTerminal } from "../helpers/terminal.ts";

/** Waits until someone else is in the channel, too. */
async function untilTwo(client: Client): Promise<void> {
  client.say({ type: "presence" });
  let { count } = await client.nextOf("presence");
  while (count !== 2) ({ count } = await client.nextOf("presence"));
}

describe("shoal chat as a pipe", () => {
  async function run(args: string[], input: string) {
    const child = Bun.spawn([...PROGRAMS.source, "chat", ...args], {
      env: { PATH: process.env.PATH },
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, status] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { out, err, status };
  }

  test("sends a line and exits with 0 once it is acknowledged", async () => {
    await using server = await serve();
    const ann = await enterAs(`${server.ws}/fishing`, "ann");
    const { out, err, status } = await run([`${server.http}/fishing`, "--name", "ci"], "done\n");
    expect([err, status]).toEqual(["", 0]);
    expect(out).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ci: done\n$/);
    expect(await ann.nextOf("message")).toMatchObject({ text: "done", user: "ci" });
  });

  test("sends many lines in order, skips blank ones and writes lines of JSON", async () => {
    await using server = await serve({ messageRate: 0 });
    const lines = Array.from({ length: 250 }, (_, at) => `line ${at}`);
    const args = [`${server.ws}/many`, "--json", "--name", "ci"];
    const { out, err, status } = await run(args, lines.join("\n \n\n"));
    expect([err, status]).toEqual(["", 0]);
    const frames = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    const expected = lines.map((text) => ({ type: "message", text, user: "ci" }));
    expect(frames).toMatchObject(expected);
  });

  test("exits with 0 at once if there is nothing to send", async () => {
    await using server = await serve();
    for (const args of [[], ["--name", "ci"]]) {
      const result = await run([`${server.ws}/nothing`, ...args], "");
      expect(result).toEqual({ out: "", err: "", status: 0 });
    }
  });

  test("writes a removal as a line of JSON, and no line of text", async () => {
    await using server = await serve({ messageRate: 0 });
    const url = `${server.ws}/removed`;
    const ann = await enterAs(url, "ann", V1);
    const outputs = ["", ""];
    const children = [[], ["--json"]].map((args, at) => {
      const child = Bun.spawn([...PROGRAMS.source, "chat", url, ...args], {
        env: { PATH: process.env.PATH },
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      });
      const read = async () => {
        const decoder = new TextDecoder();
        for await (const part of child.stdout) outputs[at] += decoder.decode(part);
      };
      return { child, done: read() };
    });
    ann.say({ type: "presence" });
    while ((await ann.nextOf("presence")).count !== 3);
    ann.say({ type: "message", text: "one" });
    const { id } = await ann.nextOf("message");
    ann.say({ type: "delete", id, ref: "r" });
    ann.say({ type: "message", text: "two" });
    await until(() => outputs.every((output) => output.includes("two")));
    for (const { child } of children) child.kill();
    await Promise.all(children.flatMap(({ child, done }) => [child.exited, done]));
    expect(outputs[0]).toMatch(/^\S+ ann: one\n\S+ ann: two\n$/);
    const lines = outputs[1]!.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { type: "message", id, text: "one" },
      { type: "removed", id, user: "ann" },
      { type: "message", text: "two" },
    ]);
  });

  test("says what was rejected, and exits with 1", async () => {
    await using server = await serve();
    const url = `${server.ws}/refused`;
    const ann = await enterAs(url, "ann", V1);
    const taken = await run([url, "--name", "ann"], "hello\n");
    expect(taken).toMatchObject({ out: "", status: 1 });
    expect(taken.err).toContain("has this name");
    const nameless = await run([url], "hello\n");
    expect(nameless).toMatchObject({ out: "", status: 1 });
    expect(nameless.err).toContain("--name");
    const input = `${"x".repeat(2001)}\n${"y".repeat(200_000)}\nshort\n`;
    const long = await run([url, "--name", "ci"], input);
    expect(long.status).toBe(1);
    expect(long.err).toMatch(/^(shoal: Not sent: .*longer.*\n){2}$/);
    expect(await ann.nextOf("message")).toMatchObject({ text: "short", user: "ci" });
  });

  test.each([
    [[]],
    [["fishing"]],
    [["ftp://localhost/fishing"]],
    [["ws://localhost"]],
    [["ws://localhost/-/a"]],
    [["ws://localhost/a", "b"]],
    [["--nam"]],
    // An unset variable, and what could cost the connection again and again.
    [["ws://localhost/a", "--name", ""]],
    [["ws://localhost/a", "--name", " \u3000"]],
    [["ws://localhost/a", "--name", "x".repeat(100_000)]],
  ])("says what is wrong with its arguments: %#", async (args) => {
    const said: string[] = [];
    const { stdin, stdout } = process;
    const say = (sentence: string) => void said.push(sentence);
    expect(await chat(args, { stdin, stdout, say, colours: false })).toBe(2);
    expect(said).toEqual([expect.stringMatching(/^.*See shoal chat --help\.$/)]);
  });

  test("rejects wrong arguments with status 2, and has a help text", async () => {
    const [wrong, help] = await Promise.all([run(["--nam"], ""), run(["--help"], "")]);
    expect(wrong).toMatchObject({ out: "", status: 2 });
    expect(wrong.err).toMatch(/^shoal: .*shoal chat --help\.\n$/);
    expect(help).toMatchObject({ err: "", status: 0 });
    expect(help.out).toContain("--name NAME");
    expect(help.out).toContain("tail -f /dev/null | shoal chat ws");
  });

  test("only listens if its input never ends", async () => {
    await using server = await serve();
    const url = `${server.ws}/listening`;
    const ann = await enterAs(url, "ann", V1);
    const tail = Bun.spawn(["tail", "-f", "/dev/null"], { stdout: "pipe" });
    const child = Bun.spawn([...PROGRAMS.source, "chat", url], {
      env: { PATH: process.env.PATH },
      stdin: tail.stdout,
      stdout: "pipe",
      stderr: "inherit",
    });
    await untilTwo(ann);
    ann.say({ type: "message", text: "hello" });
    const { value } = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toEndWith(" ann: hello\n");
    expect(child.exitCode).toBeNull();
    for (const each of [child, tail]) each.kill();
    await Promise.all([child.exited, tail.exited]);
  });

  test("reads until it is stopped, and passes no control characters on", async () => {
    await using server = await serve();
    const url = `${server.ws}/reading`;
    const ann = await enterAs(url, "ann", V1);
    const child = Bun.spawn([...PROGRAMS.source, "chat", url], {
      env: { PATH: process.env.PATH },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    await untilTwo(ann);
    ann.say({ type: "message", text: "\x1b[2Jone\ntwo\u202e" });
    const { value } = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toEndWith(" ann: \ufffd[2Jone two\ufffd\n");
    child.kill("SIGINT");
    await child.exited;
    expect(child.signalCode === "SIGINT" || child.exitCode === 130).toBeTrue();
  });
});

test("shoal chat on a terminal", async () => {
  await using server = await serve();
  const url = `${server.http}/fishing`;
  const bob = await enterAs(url.replace("http", "ws"), "bob", V1);
  bob.say({ type: "message", text: "before" });
  const ann = inTerminal(["chat", url]);
  const has = (text: string) => ann.until((rows) => rows.some((row) => row.endsWith(text)));
  await has(" bob: before");
  await has(`Connected to ${url}`);
  ann.type("too early\r");
  await has("Not sent: too early");
  ann.type("/name bob\r");
  await ann.until((rows) => rows.join("").includes("Choose another one."));
  ann.type("/name ann\r");
  await has("You are ann now.");

  ann.type("hello\r");
  await has(" ann: hello");
  expect(ann.rows().filter((row) => row.endsWith("hello"))).toHaveLength(1);

  // A half-typed line, longer than a row, with the cursor inside it.
  const half = "0123456789".repeat(7);
  ann.type(`${half}\x1b[D\x1b[D`);
  const seen = `ann> ${half.slice(-56, -2)}`;
  await ann.until((rows) => rows.at(-1)?.startsWith(seen) === true);
  for (let at = 0; at < 5; at++) bob.say({ type: "message", text: `\x1b[31mred\x07 ${at}\nnext` });
  await has(" next");
  await ann.until((rows) => rows.filter((row) => row.includes("red")).length === 5);
  await ann.until((rows) => rows.at(-1)?.startsWith(seen) === true);
  expect(ann.rows().filter((row) => row.startsWith("ann>"))).toHaveLength(1);
  ann.type("<>\r");
  const typed = `${half.slice(0, -2)}<>${half.slice(-2)}`;
  await ann.until((rows) => rows.join("").includes(` ann: ${typed}`));
  expect(ann.rows().join("").split("0123456").length - 1).toBe(7);
  expect(ann.output()).not.toContain("\x1b[31m");
  expect(ann.output()).not.toContain("\x07");
  expect(ann.output()).toMatch(/\x1b\[38;5;\d+mbob\x1b\[39m/);

  ann.type("\x1b[A\x15");
  // Presence arrives with some delay.
  while (!ann.rows().some((row) => row.endsWith("bob, ann (2 connections)"))) {
    ann.type("/who\r");
    await Bun.sleep(50);
  }
  ann.type("/help\r");
  await has("/quit          leave the channel");
  ann.type("/nope\r");
  await ann.until((rows) => rows.some((row) => row.startsWith("/nope is not a command.")));
  ann.type("//slash\r");
  await has(" ann: /slash");
  ann.type("/leave\r");
  await has("You have no name now.");
  ann.type("/quit\r");
  expect(await ann.exited).toBe(0);
});

test("shoal chat on a terminal searches and deletes", async () => {
  await using server = await serve({ messageRate: 0 });
  const url = `${server.ws}/said`;
  const bob = await enterAs(url, "bob", V1);
  const ids: unknown[] = [];
  for (const text of [
    "a red fish",
    "gone",
    ...Array.from({ length: 20 }, (_, at) => `cod ${at}`),
  ]) {
    bob.say({ type: "message", text });
    ids.push((await bob.nextOf("message")).id);
  }
  const remove = async (id: unknown) => {
    bob.say({ type: "delete", id, ref: `${String(id)}` });
    return bob.nextOf("message");
  };
  await remove(ids[1]);
  const ann = inTerminal(["chat", url, "--name", "ann"], { NO_COLOR: "1" });
  const has = (text: string) => ann.until((rows) => rows.some((row) => row.endsWith(text)));
  await has(" bob: a red fish");
  await has(" bob: (deleted)");
  await has("You are ann now.");

  ann.type("/delete\r");
  await has("You have sent no message that could be deleted.");
  ann.type("two fish\roops\r/delete\r");
  await has("Deleted: oops");
  expect(await bob.nextOf("message")).toMatchObject({ text: "two fish" });
  const { id } = await bob.nextOf("message");
  expect(await bob.nextOf("message")).toMatchObject({ deletes: id });
  await remove(ids[2]);
  await has("bob deleted a message.");

  ann.type("/search FISH\r");
  await has("Found 2 messages.");
  const rows = ann.rows();
  const at = rows.indexOf("Search: FISH");
  expect(rows.slice(at + 1, at + 4).map((row) => row.slice(6))).toEqual([
    "bob: a red fish",
    "ann: two fish",
    "2 messages.",
  ]);
  ann.type("/search cod*\r");
  await has("Found 19 messages.");
  bob.say({ type: "message", text: "codling" });
  bob.say({ type: "message", text: "codfish" });
  await has(" bob: codfish");
  ann.type("/search cod*\r");
  await has("These are the newest 20 messages. There are more.");
  ann.type("/search shark\r");
  await has("Nothing was found for: shark");
  ann.type("/search\r");
  await has("Which words? /search WORDS");
  ann.type(`/search ${"x".repeat(201)}\r`);
  await has("A search can have 200 characters at most.");
  expect(ann.rows().filter((row) => row.startsWith("ann deleted"))).toEqual([]);

  ann.type("/delete\r");
  await has("Deleted: two fish");
  // What is on its way at the end is waited for.
  ann.type("last\r/delete\r/quit\r");
  await has("Deleted: last");
  expect(await ann.exited).toBe(0);
});

test("shoal chat on a terminal survives a restart of the server", async () => {
  const old = await serve();
  const url = `${old.ws}/restart`;
  const ann = inTerminal(["chat", url, "--name", "ann"], { NO_COLOR: "1" });
  const has = (text: string) => ann.until((rows) => rows.some((row) => row.endsWith(text)));
  await has("You are ann now.");
  await old.drain();
  await has("The server is restarting. Reconnecting...");
  await ann.until((rows) => /^\((retry in \d+ s|retrying)\) ann>$/.test(rows.at(-1) ?? ""));
  ann.type("meanwhile\r");
  await has("Waiting to send: meanwhile");
  await using _again = await serve({ port: Number(old.url.port) });
  await has(" ann: meanwhile");
  await ann.until((rows) => rows.at(-1) === "ann>");
  expect(ann.output()).not.toMatch(/\x1b\[[\d;]*m/);
  ann.type("\x04");
  expect(await ann.exited).toBe(0);
});
test.each<[string, Record<string, unknown>[], number, string]>([
  ["in a gap", [{ type: "history", messages: [], gap: "true", more: "false" }], 7, "missing"],
  [
    "lost with the server's memory",
    [{ type: "history", messages: [], gap: "true", more: "false" }],
    0,
    "missing",
  ],
  ["not reported at all", [{ type: "error", code: "bad", message: "No." }], 7, "No."],
])(
  "shoal chat as a pipe exits with 0 though the acknowledged message is %s",
  async (_, pages, last, said) => {
    using server = forgetful(pages, last);
    const child = Bun.spawn([...PROGRAMS.source, "chat", server.url, "--name", "ci"], {
      env: { PATH: process.env.PATH },
      stdin: Buffer.from("done\n"),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.stderr.text()).toContain(said);
    expect(await child.exited).toBe(0);
  },
);

/**
 * A server that acknowledges a message, disconnects and never delivers the message.
 *
 * @param pages the answers to a history request
 * @param last the channel's last id on later connections
 */
function forgetful(pages: object[], last: number) {
  let connections = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, self) {
      const found = new URL(request.url).pathname === "/a";
      if (!found) return new Response("", { status: 404 });
      return self.upgrade(request) ? undefined : new Response("", { status: 426 });
    },
    websocket: {
      open(ws) {
        const limits = { text: 2000, rate: 0, burst: 50, history: 100 };
        const known = connections++ === 0 ? 3 : last;
        ws.send(
          JSON.stringify({ type: "connection", id: "a", last: known, heartbeat: 30, limits }),
        );
      },
      message(ws, raw) {
        const frame = JSON.parse(String(raw)) as Record<string, unknown>;
        if (frame.type === "identity") {
          ws.send(JSON.stringify({ type: "identity", success: "true", user: frame.user }));
        } else if (frame.type === "message") {
          ws.send(JSON.stringify({ type: "ack", ref: frame.ref, id: 7 }));
          ws.close(1011);
        } else if (frame.type === "history") {
          for (const page of pages) ws.send(JSON.stringify(page));
        }
      },
    },
  });
  return {
    url: `ws://127.0.0.1:${server.port}/a`,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

test("shoal chat as a pipe gives up if there is no server, and says why", async () => {
  const server = await serve();
  await server.drain();
  using other = forgetful([], 0);
  const reasons = {
    [`${server.ws}/gone`]: "Failed to connect (ECONNREFUSED)",
    [`${other.url}/other`]: "Expected 101 status code: 404",
    [other.url.replace("ws:", "wss:")]: "TLS handshake failed: .*",
  };
  const runs = Object.entries(reasons).map(async ([href, reason]) => {
    const said: string[] = [];
    const status = await pipe({
      url: new URL(href),
      name: "ci",
      json: false,
      input: Readable.from(["hello\n"]),
      output: new PassThrough(),
      say: (sentence) => void said.push(sentence),
      patience: 1000,
    });
    expect(status).toBe(1);
    const sentence = `Cannot connect to ${href}: ${reason}.`.replaceAll(/[()]/g, "\\$&");
    expect(said).toEqual([expect.stringMatching(new RegExp(`^${sentence}$`))]);
  });
  await Promise.all(runs);
});
