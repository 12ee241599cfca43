import { afterAll, beforeAll, expect, test } from "bun:test";
import { clientFrame } from "../bench/load-wire.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";
import { frame, Wire } from "./wire.ts";

/** How many bytes the server sends for each byte that it gets, apart from messages. */

const CHANNEL = "loud";
/** Bytes out for one byte in. */
const MOST = 50;
/** Answers that are long by nature have a limit in bytes a second instead; half of it is tolerance. */
const ANSWERS = 2 * 1024 * 1024 * 1.5;
/** Frames a second that are accepted over time. */
const RATE = 10;
const SECONDS = 2;

let shoal: Shoal;
beforeAll(async () => {
  shoal = await startShoal();
  // Pages of 256 KiB, and a roster of long names.
  for (let n = 0; n < 50; n++) {
    const one = await enterAs(`${shoal.ws}/${CHANNEL}`, `${"\u{1F41F}".repeat(28)}${n}`, V1);
    one.say({ type: "message", text: "\u0001".repeat(2000), ref: "long" });
    await one.nextOf("ack");
  }
});
afterAll(() => shoal.end());

let turn = 0;
const KINDS: [name: string, make: () => Uint8Array, most: "ratio" | "rate"][] = [
  ["heartbeat", () => frame('{"type":"heartbeat"}'), "ratio"],
  ["ping", () => clientFrame("", 0x89), "ratio"],
  ["invalid JSON", () => frame("x"), "ratio"],
  ["an empty frame", () => frame(""), "ratio"],
  ["binary", () => clientFrame("", 0x82), "ratio"],
  ["unknown type", () => frame('{"type":""}'), "ratio"],
  ["identity", () => frame({ type: "identity", user: `u${turn++}` }), "ratio"],
  ["no identity", () => frame('{"type":"identity","user":"\\u0000"}'), "ratio"],
  ["giving a name up", () => frame('{"type":"identity","user":""}'), "ratio"],
  ["message without a name", () => frame('{"type":"message","text":"x"}'), "ratio"],
  ["history that is empty", () => frame('{"type":"history","after":9007199254740991}'), "ratio"],
  ["history", () => frame('{"type":"history"}'), "rate"],
  ["presence", () => frame('{"type":"presence"}'), "ratio"],
];

test.concurrent.each(KINDS)("%s", async (name, make, most) => {
  const wire = await Wire.connect(shoal.http, `/${CHANNEL}`);
  await wire.answered.promise;
  // The burst is spent, and its answers have come.
  for (let n = 0; n < 50; n++) wire.write(make());
  await settled(wire);
  const before = wire.received;
  let sent = 0;
  for (let n = 0; n < RATE * SECONDS; n++) {
    const bytes = make();
    sent += bytes.length;
    wire.write(bytes);
    await Bun.sleep(1000 / RATE);
  }
  await settled(wire);
  expect(wire.closed).toBe(false);
  const received = wire.received - before;
  const [ratio, perSecond] = [received / sent, received / SECONDS];
  console.log(`${name}: ${ratio.toFixed(1)} bytes for one, ${(perSecond / 1024).toFixed(1)} KiB/s`);
  if (most === "ratio") expect(ratio).toBeLessThan(MOST);
  else expect(perSecond).toBeLessThan(ANSWERS);
  wire.end();
});

/** Waits until nothing has come for a moment, so that what comes late counts as well. */
async function settled(wire: Wire): Promise<void> {
  for (let last = -1; last !== wire.received;) {
    last = wire.received;
    await Bun.sleep(300);
  }
}
