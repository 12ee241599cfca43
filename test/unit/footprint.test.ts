import { expect, test } from "bun:test";
import { resolve } from "node:path";
import type { Case, Footprint } from "../helpers/footprint.ts";

const SCRIPT = resolve(import.meta.dir, "../helpers/footprint.ts");

async function footprint(what: Case): Promise<Footprint> {
  const child = Bun.spawn([process.execPath, SCRIPT, JSON.stringify(what)], { stderr: "inherit" });
  return (await child.stdout.json()) as Footprint;
}

/** Milliseconds, on a machine that is busy. */
const TIMEOUT = 60_000;

test.each<[string, Case]>([
  ["channels in which nothing was said", { channels: 30_000, messages: 0, text: "" }],
  ["channels with one short message", { channels: 30_000, messages: 1, text: "hi" }],
  ["a network for each channel", { channels: 20_000, messages: 1, text: "hi", networks: true }],
  ["many messages", { channels: 500, messages: 100, text: "x".repeat(60) }],
  ["long messages", { channels: 100, messages: 100, text: "x".repeat(2000) }],
  ["long messages beyond ASCII", { channels: 50, messages: 100, text: "ж".repeat(2000) }],
])(
  "HISTORY_MEMORY counts what is really taken, within a fifth: %s",
  async (_, what) => {
    const { counted, taken } = await footprint(what);
    expect(counted / taken).toBeWithin(0.8, 1.25);
  },
  TIMEOUT,
);
