import { expect, test } from "bun:test";
import { channelFor, pathOf } from "../../src/web/channel.ts";
import { channelOfPath } from "../../src/protocol/channels.ts";
import { hueOf } from "../../src/web/hue.ts";
import { clock, count, dayOf, gapWords, stateSentence, stateWord } from "../../src/web/words.ts";

const NOON = new Date(2026, 4, 20, 12).getTime();
const DAY = 86_400_000;
const HOST = "chat.example:6060";

test("days", () => {
  expect(dayOf(NOON, NOON)).toBe("Today");
  expect(dayOf(NOON - DAY, NOON)).toBe("Yesterday");
  expect(dayOf(new Date(2026, 4, 19, 23, 59).getTime(), NOON)).toBe("Yesterday");
  expect(dayOf(NOON - 5 * DAY, NOON)).toContain("15");
  expect(dayOf(NOON - 400 * DAY, NOON)).toContain("2025");
});

test("gaps", () => {
  const later = NOON + 7 * 60_000;
  const [from, to] = [clock(NOON), clock(later)];
  expect(gapWords(NOON, later)).toBe(`Messages may be missing between ${from} and ${to}.`);
  expect(gapWords(NOON, NOON + 1)).toBe(`Messages may be missing at ${from}.`);
  expect(gapWords(NOON)).toBe(`Messages may be missing after ${from}.`);
});

test("states", () => {
  expect(stateWord({ state: "open" })).toBe("Connected");
  expect(stateSentence({ state: "open" }, 0)).toBe("");
  expect(stateSentence({ state: "waiting", retryAt: 2500, reason: "lost" }, 0)).toBe(
    "The connection was lost. Reconnecting in 3 s.",
  );
  expect(stateSentence({ state: "waiting", retryAt: 0, reason: "stopping" }, 5)).toBe(
    "The server is restarting. Reconnecting now.",
  );
  const detail = "Too many connections from your address.";
  expect(stateSentence({ state: "waiting", retryAt: 9000, reason: "lost", detail }, 0)).toBe(
    "Too many connections from your address. Reconnecting in 9 s.",
  );
  expect(stateSentence({ state: "offline" }, 0)).toStartWith("This device is offline.");
});

test("counts", () => {
  expect(count(1, "person", "people")).toBe("1 person");
  expect(count(2, "person", "people")).toBe("2 people");
});

test("channels and their paths", () => {
  expect(channelOfPath(pathOf("a b/#?%")!)).toEqual({ id: "a b/#?%" });
  expect(channelFor(" #fishing/ ", HOST)).toEqual({ path: "/fishing" });
  expect(channelFor("/a/b", HOST)).toEqual({ path: "/a/b" });
  expect(channelFor("❤\ufe0f/", HOST)).toEqual({ path: "/%E2%9D%A4" });
  for (const typed of [
    "",
    "#",
    "a\u200Bb",
    "-/x",
    "-",
    "a/../b",
    ".",
    "a\u202Eb",
    "x".repeat(129),
  ]) {
    expect(channelFor(typed, HOST)).toHaveProperty("fault");
  }
});

test("a link of this server leads to its channel", () => {
  for (const [link, path] of [
    ["http://chat.example:6060/fishing", "/fishing"],
    [" HTTPS://Chat.Example:6060/fishing/?x=1#y ", "/fishing"],
    ["ws://chat.example:6060/caf%C3%A9/a b", "/caf%C3%A9/a%20b"],
    ["wss://chat.example:6060/caf\u0065\u0301", "/caf%C3%A9"],
    ["chat.example:6060/fishing", "/fishing"],
    // Nothing after the host leads to another host.
    ["http://chat.example:6060//other.example/x", "/%2Fother.example/x"],
    ["http://chat.example:6060/%23fishing", "/%23fishing"],
  ] as const) {
    expect(channelFor(link, HOST)).toEqual({ path });
  }
  for (const link of [
    "http://other.example/fishing",
    "http://chat.example/fishing",
    "wss://chat.example:6061/fishing",
    "http://chat.example:6060@other.example/fishing",
  ]) {
    expect(channelFor(link, HOST)).toEqual({
      fault: "This link leads to another server. Open it in a new tab.",
    });
  }
  for (const link of ["http://", "http://chat.example:6060//", "http://chat.example:6060/%ff"]) {
    expect(channelFor(link, HOST)).toEqual({ fault: "This link does not lead to a channel." });
  }
  for (const link of ["http://chat.example:6060/-/health", "http://chat.example:6060/..%2Fx"]) {
    expect(channelFor(link, HOST)).toHaveProperty("fault");
  }
});

test("a name has one hue, in any case", () => {
  expect(hueOf("Amy")).toBe(hueOf("aMY"));
  const hues = new Set(Array.from({ length: 200 }, (_, at) => hueOf(`name ${at}`)));
  expect(hues.size).toBeGreaterThan(20);
  for (const hue of hues) expect(hue).toBeWithin(0, 360);
});
