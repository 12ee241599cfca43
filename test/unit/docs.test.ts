import { expect, test } from "bun:test";
import { join } from "node:path";
import { CLOSE, ERRORS, RETRY_LATER } from "../../src/protocol/codes.ts";

const protocol = await Bun.file(join(import.meta.dir, "../../PROTOCOL.md")).text();

test("PROTOCOL.md lists every code, with whether to try again", () => {
  const rows = [...protocol.matchAll(/^\| `(\w+)` +\| (no|later) +\|/gm)];
  expect(Object.fromEntries(rows.map(([, code, retry]) => [code, retry]))).toEqual(
    Object.fromEntries(
      Object.keys(ERRORS).map((code) => [code, RETRY_LATER.has(code) ? "later" : "no"]),
    ),
  );
});

test("PROTOCOL.md lists every close code", () => {
  for (const { code } of Object.values(CLOSE))
    expect(protocol).toMatch(new RegExp(`^\\| ${code} `, "m"));
});

test("every example of a frame in PROTOCOL.md is JSON", () => {
  const examples = [...protocol.matchAll(/```json\n([^`]+)```/g)].map(([, text]) => text!);
  expect(examples.length).toBeGreaterThan(15);
  for (const text of examples) expect(JSON.parse(text)).toHaveProperty("type");
});

test("close reasons fit in a close frame: 123 bytes", () => {
  for (const { reason } of Object.values(CLOSE))
    expect(Buffer.byteLength(reason)).toBeLessThan(124);
});
