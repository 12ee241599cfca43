import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, enter, V1 } from "../helpers/client.ts";
import { startShoal } from "../helpers/shoal.ts";

/** A disk that cannot say whether it wrote: every fsync fails. */

const preload = join(import.meta.dir, "../helpers/no-fsync.ts");

async function enterAsAnn(ws: string, session?: string): Promise<[Client, unknown]> {
  const ann = await enter(`${ws}/a`, V1);
  ann.say({ type: "identity", user: "ann", session });
  const identity = await ann.nextOf("identity");
  expect(identity.success).toBe("true");
  return [ann, identity.session];
}

async function errorOf(client: Client, text: string, ref: string): Promise<unknown> {
  client.say({ type: "message", text, ref });
  return (await client.nextOf("error")).code;
}

// seccomp is a call of Linux, and libc.so.6 is glibc.
if (process.platform !== "linux") {
  console.warn("fsync.test.ts is skipped: only Linux lets a test make fsync fail.");
}
test.skipIf(process.platform !== "linux")(
  "a message that may be on the disk is unknown, and is posted once when it is sent again",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-fsync-"));
    const env = { DATABASE: join(folder, "chat.sqlite") };
    const first = await startShoal({ env: { ...env, BUN_OPTIONS: `--preload ${preload}` } });
    const [ann, session] = await enterAsAnn(first.ws);
    ann.say({ type: "message", text: "before", ref: "1" });
    const { id } = await ann.nextOf("ack");
    process.kill(first.pid, "SIGUSR2");
    while (!first.output().includes("every fsync fails")) await Bun.sleep(5);
    expect(await errorOf(ann, "lost", "2")).toBe("unknown");
    expect(await errorOf(ann, "perhaps", "3")).toBe("unknown");
    expect(await errorOf(ann, "perhaps", "3")).toBe("unknown");
    ann.say({ type: "history" });
    expect((await ann.nextOf("history")).messages).toMatchObject([{ id, text: "before" }]);
    expect(first.output()).toMatch(/"level":"error".*database failed/);
    await first.end("SIGKILL");

    // The kernel still had the last batch, so that it is on the disk after all.
    const second = await startShoal({ env });
    const [back] = await enterAsAnn(second.ws, session as string);
    back.say({ type: "history" });
    const kept = (await back.nextOf("history")).messages as { id: number; text: string }[];
    expect(kept).toMatchObject([
      { id, text: "before" },
      { prev: id, text: "perhaps" },
    ]);
    for (const [text, ref] of [
      ["perhaps", "3"],
      ["lost", "2"],
    ] as const) {
      back.say({ type: "message", text, ref });
      const { id: acked } = await back.nextOf("ack");
      if (text === "perhaps") expect(acked).toBe(kept[1]!.id);
    }
    back.say({ type: "history" });
    const texts = ((await back.nextOf("history")).messages as { text: string }[]).map(
      (m) => m.text,
    );
    expect(texts).toEqual(["before", "perhaps", "lost"]);
    expect(await second.end()).toBe(0);
    rmSync(folder, { recursive: true });
  },
);
