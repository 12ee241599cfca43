import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readBundle } from "../../src/http/bundle.ts";
import { readBundle as embedBundle } from "../../src/http/bundle.ts" with { type: "macro" };
import { serve } from "../helpers/server.ts";

const EMBEDDED = embedBundle();

/** Talks, loses its connection, talks again and tells what it has heard. */
const SCRIPT = `
import { createRequire } from "node:module";
import { connect } from "./client.js";
const require = createRequire(${JSON.stringify(resolve(import.meta.dir, "../../package.json"))});
const sockets = [];
// Before Node 20 there was none.
class Kept extends (globalThis.WebSocket ?? require("ws").WebSocket) {
  constructor(...args) {
    super(...args);
    sockets.push(this);
  }
}
const chat = connect(process.argv[2], { name: "node", webSocket: Kept, random: () => 0 });
const heard = [];
chat.on("message", ({ text, user }) => heard.push(user + ": " + text));
await chat.send("one").sent;
sockets[0].close();
await chat.send("two").sent;
chat.close();
console.log(JSON.stringify({ heard, sockets: sockets.length, state: chat.state }));
`;

test("the bundle talks from Node", async () => {
  expect(EMBEDDED).toBe(readBundle());
  await using server = await serve();
  const folder = mkdtempSync(join(tmpdir(), "shoal-"));
  await Bun.write(join(folder, "client.js"), EMBEDDED);
  await Bun.write(join(folder, "package.json"), '{"type":"module"}');
  await Bun.write(join(folder, "talk.js"), SCRIPT);
  // Node 20 has its WebSocket behind a flag.
  const flag = "--experimental-websocket";
  const known = await Bun.$`node -p ${`process.allowedNodeEnvironmentFlags.has("${flag}")`}`.text();
  const flags = known.trim() === "true" ? [flag] : [];
  const child = Bun.spawn(["node", ...flags, "talk.js", `${server.http}/node`], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  rmSync(folder, { recursive: true, force: true });
  expect([await child.exited, out.trim()]).toEqual([
    0,
    JSON.stringify({ heard: ["node: one", "node: two"], sockets: 2, state: "closed" }),
  ]);
  expect(err).not.toContain("Error");
});
