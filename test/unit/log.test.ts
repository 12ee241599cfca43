import { expect, test } from "bun:test";
import { createLog, describe, type LogLevel } from "../../src/log.ts";

function lines(level: LogLevel, readable: boolean): string[] {
  const written: string[] = [];
  const clock = () => new Date(Date.UTC(2022, 4, 20, 1, 2, 3));
  const log = createLog({ level, readable, write: (line) => written.push(line), clock });
  log.debug("connection opened", { channel: "games/chess" });
  log.info("listening", { url: "http://localhost:6060/" });
  log.warn("odd", { channel: "a b\u009b31m\u001b[2J" });
  log.error("failed");
  return written;
}

test("an event is a line of JSON", () => {
  expect(lines("info", false)).toEqual([
    '{"time":"2022-05-20T01:02:03.000Z","level":"info","event":"listening","url":"http://localhost:6060/"}',
    '{"time":"2022-05-20T01:02:03.000Z","level":"warn","event":"odd","channel":"a b\u009b31m\\u001b[2J"}',
    '{"time":"2022-05-20T01:02:03.000Z","level":"error","event":"failed"}',
  ]);
});

test("on a terminal an event is a readable line that no channel id can break out of", () => {
  expect(lines("debug", true)).toEqual([
    "01:02:03 debug connection opened channel=games/chess",
    "01:02:03 info  listening url=http://localhost:6060/",
    '01:02:03 warn  odd channel="a b?31m\\u001b[2J"',
    "01:02:03 error failed",
  ]);
});

test("silent writes nothing", () => {
  expect(lines("silent", true)).toEqual([]);
});

test("an error is described with its stack", () => {
  expect(describe(new Error("broken"))).toMatch(/^Error: broken\n +at .*log\.test\.ts/);
  expect(describe("no error")).toBe("no error");
});
