import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { until } from "../helpers/chat.ts";
import { connect, enter, enterAs } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";
import { startShoal } from "../helpers/shoal.ts";

/** The limit of open files, and the servers of Bun that take turns near it. */

/** Seconds of CPU that a process has used. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test("near the limit of open files, members talk on, and new ones come in once there is room", async () => {
  const shoal = await startShoal({ openFiles: 256 });
  const [ann, bob] = [await enterAs(`${shoal.ws}/a`, "ann"), await enter(`${shoal.ws}/a`)];
  const port = Number(new URL(shoal.http).port);
  const idle: Socket[] = [];
  while (!shoal.output().includes("too many open files")) {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => {});
    // Without a byte, Linux gives it to the server only after some seconds.
    socket.write("G");
    idle.push(socket);
    await new Promise(setImmediate);
  }
  expect(shoal.output()).toContain("LimitNOFILE");
  await expect(connect(`${shoal.ws}/a`)).rejects.toThrow();

  const [before, from] = [cpuOf(shoal.pid), performance.now()];
  for (let n = 0; n < 20; n++) {
    ann.say({ type: "message", text: String(n) });
    expect((await bob.nextOf("message")).text).toBe(String(n));
    await Bun.sleep(50);
  }
  // The busy loop takes all of it.
  expect(cpuOf(shoal.pid) - before).toBeLessThan((0.3 * (performance.now() - from)) / 1000);

  for (const socket of idle) socket.destroy();
  let eve = await connect(`${shoal.ws}/a`).catch(() => undefined);
  while (eve === undefined) eve = await connect(`${shoal.ws}/a`).catch(() => undefined);
  ann.say({ type: "message", text: "welcome" });
  expect((await eve.nextOf("message")).text).toBe("welcome");
  expect(shoal.output().match(/too many open files/g)).toHaveLength(1);
  const status = shoal.end();
  for (const { closed } of [ann, bob, eve]) expect((await closed).code).toBe(1001);
  expect(await status).toBe(0);
}, 30_000);

test("members of an old and of a new server of Bun are together, after a reload of the code too", async () => {
  const first = await serve();
  const ann = await enterAs(`${first.ws}/a`, "ann");
  // As if it had been full: the next tick finds that there is room.
  const { listener } = first.data;
  void listener.servers[0]!.stop();
  listener.accepting = false;
  await until(() => listener.accepting);
  expect(listener.servers).toHaveLength(2);
  const bob = await enterAs(`${first.ws}/a`, "bob");

  async function talk(): Promise<void> {
    for (const [speaker, other] of [
      [ann, bob],
      [bob, ann],
    ] as const) {
      speaker.say({ type: "message", text: "hello" });
      for (const hears of [speaker, other]) await hears.nextOf("message");
    }
  }
  await talk();
  first.dispose();
  const second = await serve({}, { data: first.data });
  expect(second.url).toEqual(first.url);
  await talk();
  const eve = await enter(`${second.ws}/a`);
  await talk();
  await eve.nextOf("message");
  await second.drain();
  for (const { closed } of [ann, bob, eve]) expect((await closed).code).toBe(1001);
});
