import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enter, enterAs, V1 } from "../helpers/client.ts";
import { PROGRAMS, type Program, startShoal } from "../helpers/shoal.ts";

const folder = mkdtempSync(join(tmpdir(), "shoal-database-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(["source", "binary"] as Program[])(
  "after kill -9 everything that anyone was shown is there, names wait, refs are known (%s)",
  async (program) => {
    const env = {
      DATABASE: join(folder, `${program}.sqlite`),
      MESSAGE_RATE: "0",
      HISTORY_LIMIT: "5000",
      HEARTBEAT_INTERVAL: "1",
    };
    const first = await startShoal({ program, env });
    const ann = await enter(`${first.ws}/a`, V1);
    ann.say({ type: "identity", user: "ann" });
    const { session } = await ann.nextOf("identity");
    const reader = await enter(`${first.ws}/a`);
    // Held for more than one interval: two heartbeats have come.
    for (let beats = 0; beats < 2; beats++) await reader.nextOf("heartbeat");
    for (let n = 0; n < 2000; n++) ann.say({ type: "message", text: `${n}`, ref: `${n}` });
    const shown: string[] = [];
    while (shown.length < 700) shown.push(String((await reader.nextOf("message")).text));
    await first.end("SIGKILL");
    shown.push(
      ...reader.rest
        .filter((frame) => frame.includes('"message"'))
        .map((frame) => JSON.parse(frame).text),
    );

    const again = await startShoal({ program, env });
    const back = await enter(`${again.ws}/a`, V1);
    back.say({ type: "identity", user: "ann" });
    expect(await back.nextOf("identity")).toMatchObject({ success: "false", code: "name_taken" });
    back.say({ type: "identity", user: "ann", session });
    expect(await back.nextOf("identity")).toMatchObject({ success: "true", session });
    const kept: string[] = [];
    let after = 0;
    for (let more = "true"; more === "true";) {
      back.say({ type: "history", after, limit: 200 });
      const page = await back.nextOf("history");
      for (const { text, id, prev } of page.messages as {
        text: string;
        id: number;
        prev: number;
      }[]) {
        expect(prev).toBe(after);
        kept.push(text);
        after = id;
      }
      ({ more } = page as { more: string });
    }
    expect(kept.slice(0, shown.length)).toEqual(shown);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => `${n}`));
    const text = kept.at(-1)!;
    back.say({ type: "message", text, ref: text });
    expect((await back.nextOf("ack")).id).toBe(after);
    expect(await again.end()).toBe(0);
  },
);

test("a disk that is full at the start is told, and nothing starts", () => {
  const command = `trap '' XFSZ; ulimit -S -f 1; exec ${PROGRAMS.source.join(" ")}`;
  const path = join(folder, "none.sqlite");
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", command], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", DATABASE: path },
    timeout: 20_000,
  });
  expect([exitCode, stdout.toString()]).toEqual([1, ""]);
  expect(stderr.toString()).toMatch(
    /DATABASE .*none\.sqlite can not be used: (database or disk is full|disk I\/O error)\.\n$/,
  );
});

test("a full disk: messages are refused, all else goes on, and it mends by itself", async () => {
  // A limit on the size of files stands for the disk; it can be raised while the server runs.
  const limited = [PROGRAMS.source.join(" ")];
  const child = Bun.spawn(["bash", "-c", `trap '' XFSZ; ulimit -S -f 256; exec ${limited}`], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      DATABASE: join(folder, "full.sqlite"),
      MESSAGE_RATE: "0",
      HEARTBEAT_INTERVAL: "5",
    },
    stdout: "pipe",
  });
  let out = "";
  void (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) out += chunk;
  })();
  while (!out.includes('"url"')) await Bun.sleep(5);
  const url = /"url":"([^"]+)\/"/.exec(out)![1]!.replace("http", "ws");
  const ann = await enterAs(`${url}/a`, "ann", V1);
  const plain = await enterAs(`${url}/a`, "plain", { alive: true });

  let last = 0;
  let refused = 0;
  const text = "x".repeat(1900);
  for (let n = 0; refused === 0; n++) {
    expect(n).toBeLessThan(2000);
    ann.say({ type: "message", text, ref: `${n}` });
    for (;;) {
      const frame = JSON.parse(await ann.next()) as {
        type: string;
        id: number;
        prev: number;
        code?: string;
      };
      if (frame.type === "message") {
        expect(frame.prev).toBe(last);
        last = frame.id;
      } else if (frame.type === "error") {
        expect(frame.code).toBe("unavailable");
        refused = n;
      }
      if (frame.type !== "message") break;
    }
  }
  // A smaller write may still find room.
  for (let answer = ""; !answer.includes('"unavailable"');) {
    plain.say({ type: "message", text });
    do answer = await plain.next();
    while (answer.includes('"user":"ann"'));
  }
  const whole = await enter(`${url}/a`, V1);
  whole.say({ type: "history", limit: 1 });
  last = ((await whole.nextOf("history")).messages as { id: number }[])[0]!.id;
  // Names and newcomers are fine, and what was posted can be read.
  const bob = await enter(`${url}/a`, V1);
  bob.say({ type: "identity", user: "bob" });
  expect((await bob.nextOf("identity")).success).toBe("true");
  bob.say({ type: "history", limit: 1 });
  expect((await bob.nextOf("history")).messages).toMatchObject([{ id: last }]);
  expect(out).toContain("database failed, messages are refused");

  expect(
    Bun.spawnSync(["prlimit", "--fsize=unlimited:unlimited", "--pid", String(child.pid)]).exitCode,
  ).toBe(0);
  // The same ref again, as its refusal says: it was not posted before.
  ann.say({ type: "message", text, ref: `${refused}` });
  const answers: { type: string; id: number; ref?: string }[] = [];
  while (answers.length < 2) {
    const frame = JSON.parse(await ann.next());
    if (frame.user !== "plain") answers.push(frame);
  }
  const [ack, posted] = answers.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  expect(posted).toMatchObject({ type: "message", prev: last });
  expect(ack).toEqual({ type: "ack", ref: `${refused}`, id: posted!.id });
  expect(out).toContain("database works again");

  // Full again, and stopped like that: it ends all the same.
  expect(Bun.spawnSync(["prlimit", "--fsize=1:1", "--pid", String(child.pid)]).exitCode).toBe(0);
  ann.say({ type: "message", text });
  expect((await ann.nextOf("error")).code).toBe("unavailable");
  child.kill();
  expect(await child.exited).toBe(0);
});
