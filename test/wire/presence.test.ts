import { expect, test } from "bun:test";
import { enterAs, V1 } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";

test("400 connections at once cost a watcher a few frames, and the roster is right in the end", async () => {
  await using server = await serve({ messageRate: 0 });
  const url = `${server.ws}/crowd`;
  const watcher = await enterAs(url, "watcher", V1);
  watcher.say({ type: "presence" });
  await watcher.nextOf("presence");
  const crowd = await Promise.all(Array.from({ length: 400 }, (_, n) => enterAs(url, `n${n}`, V1)));
  const names = new Set(["watcher"]);
  let count = 1;
  let frames = 0;
  while (names.size < 401 || count < 401) {
    const frame = await watcher.nextOf("presence");
    frames++;
    count = frame.count as number;
    for (const name of frame.joined as string[]) names.add(name);
  }
  expect(frames).toBeLessThan(100);
  await Promise.all(crowd.map((client) => client.close()));
  while (count > 1) ({ count } = (await watcher.nextOf("presence")) as { count: number });
});
