import { afterAll, beforeAll, expect, test } from "bun:test";
import { resolve } from "node:path";
import { serve, type TestServer } from "../helpers/server.ts";

/** The `ws` package in Node: a client that is not ours. */

let server: TestServer;
beforeAll(async () => {
  server = await serve({ heartbeatInterval: 0.2 });
});
afterAll(() => server.drain());

test("takes a name, talks, answers heartbeats, pings and closes the connection", async () => {
  const script = `
    const { WebSocket } = require("ws");
    const log = [];
    const ann = new WebSocket("${server.ws}/café");
    const bob = new WebSocket("${server.ws}/caf%C3%A9");
    ann.on("open", () => ann.send(JSON.stringify({ type: "identity", user: "ann" })));
    let beats = 0;
    ann.on("message", (data, isBinary) => {
      if (isBinary) throw new Error("binary");
      const frame = JSON.parse(data);
      if (frame.type === "heartbeat") {
        ann.send(JSON.stringify({ type: "heartbeat" }));
        if (++beats === 3) ann.ping("are you there");
        return;
      }
      log.push(String(data).replace(/\\d{10}/, "TIME"));
      if (frame.type === "identity") ann.send(JSON.stringify({ type: "message", text: "hi ".repeat(500) + "🎣" }));
    });
    let got = "";
    bob.on("message", (data) => { if (String(data).includes("🎣")) got = JSON.parse(data).user; });
    ann.on("pong", (data) => {
      bob.close(1000);
      bob.on("close", (code) => {
        console.log(JSON.stringify({ log: log.map((frame) => frame.length > 200 ? frame.slice(-60) : frame), got, pong: String(data), protocol: ann.protocol, extensions: ann.extensions, code }));
        process.exit(0);
      });
    });
  `;
  const child = Bun.spawn(["node", "-e", script], {
    cwd: resolve(import.meta.dir, "../.."),
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual({
    log: [
      '{"type":"connection","id":"café"}',
      '{"type":"identity","success":"true"}',
      expect.stringMatching(/hi hi 🎣","timestamp":TIME,"user":"ann"}$/),
    ],
    got: "ann",
    pong: "are you there",
    protocol: "",
    extensions: "",
    code: 1000,
  });
});
