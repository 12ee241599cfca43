import { expect, test } from "bun:test";
import { enterAs, V1 } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";

test("400 connections that come and go at once cost a watcher one frame each time", async () => {
  let now = 0;
  await using server = await serve({ messageRate: 0 }, { clock: () => now });
  const url = `${server.ws}/crowd`;
  const watcher = await enterAs(url, "watcher", V1);
  watcher.say({ type: "presence" });
  expect(await watcher.nextOf("presence")).toMatchObject({ count: 1, names: ["watcher"] });

  const users = Array.from({ length: 400 }, (_, n) => `n${n}`);
  const crowd = await Promise.all(users.map((user) => enterAs(url, user, V1)));
  // Changes are gathered for less than a second.
  now += 1000;
  const came = await watcher.nextOf("presence");
  expect(came).toMatchObject({ count: 401, left: [] });
  expect((came.joined as string[]).toSorted()).toEqual(users.toSorted());

  await Promise.all(crowd.map((client) => client.close()));
  now += 1000;
  const went = await watcher.nextOf("presence");
  expect(went).toMatchObject({ count: 1, joined: [] });
  expect((went.left as string[]).toSorted()).toEqual(users.toSorted());
});
