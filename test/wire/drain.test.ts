import { expect, test } from "bun:test";
import { enter } from "../helpers/client.ts";
import { handshake, rawSocket } from "../helpers/raw.ts";
import { serve } from "../helpers/server.ts";

test("a server that drains refuses to upgrade with 503, and closes who is there with 1001", async () => {
  const server = await serve();
  const inside = await enter(`${server.ws}/a`);
  // The first half of a request, which the drain waits for.
  const late = await rawSocket(server.http);
  const [first = "", rest = ""] = handshake("/a").split(/(?<=Upgrade: websocket)/);
  late.write(first);
  // Its turn comes after that of the half request.
  await (await enter(`${server.ws}/a`)).close();
  const drained = server.drain();
  late.write(rest);
  await late.until("The server is stopping. Connect again in a moment.\n");
  expect(late.received()).toContain("HTTP/1.1 503 ");
  expect(late.received()).toContain("Retry-After: 1\r\n");
  expect((await inside.closed).code).toBe(1001);
  late.end();
  await drained;
});

test("closes are logged with their code and reason", async () => {
  const lines: string[] = [];
  await using server = await serve({ messageRate: 0.001, messageBurst: 1 }, { onLog: lines });
  const ann = await enter(`${server.ws}/a`);
  for (let n = 0; n < 102; n++) ann.say("x");
  await ann.closed;
  const [closed] = lines.filter((line) => line.includes("closed by the server"));
  expect(JSON.parse(closed ?? "{}")).toMatchObject({ level: "info", channel: "a", code: 1008 });
});

test("a bug in a handler is logged with its stack", async () => {
  const lines: string[] = [];
  await using server = await serve({}, { onLog: lines });
  const ann = await enter(`${server.ws}/a`);
  const [peer] = server.data.edge.wheel.slots.flat();
  peer!.send = () => {
    throw new Error("broken on purpose");
  };
  ann.say("x");
  expect((await ann.closed).code).toBe(1011);
  const [failed] = lines.filter((line) => line.includes("connection failed"));
  const { error } = JSON.parse(failed ?? "{}") as { error?: string };
  expect(error).toMatch(/^Error: broken on purpose\n +at .*drain\.test\.ts/);
});
