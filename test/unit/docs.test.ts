import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CLOSE, ERRORS, RETRY_LATER } from "../../src/protocol/codes.ts";

const ROOT = join(import.meta.dir, "../..");
const protocol = await Bun.file(join(ROOT, "PROTOCOL.md")).text();

test("PROTOCOL.md lists every error code, and whether to retry", () => {
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

test("every example frame in PROTOCOL.md is JSON", () => {
  const examples = [...protocol.matchAll(/```json\n([^`]+)```/g)].map(([, text]) => text!);
  expect(examples.length).toBeGreaterThan(15);
  for (const text of examples) expect(JSON.parse(text)).toHaveProperty("type");
});

test("every close reason fits into a close frame: at most 123 bytes", () => {
  for (const { reason } of Object.values(CLOSE))
    expect(Buffer.byteLength(reason)).toBeLessThan(124);
});

test("every relative link in the documents leads to a file, and to a heading in it", async () => {
  const files = ["*.md", ".github/*.md", "docs/*.md", "src/client/*.md"].flatMap((glob) =>
    Array.from(new Bun.Glob(glob).scanSync({ cwd: ROOT, dot: true })),
  );
  const links: string[] = [];
  const broken: string[] = [];
  for (const file of files) {
    for (const [, link] of (await readDocument(file)).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link!)) continue;
      links.push(link!);
      const [path, heading] = link!.split("#");
      const target = path === "" ? file : join(dirname(file), path!);
      if (!existsSync(join(ROOT, target))) broken.push(`${file}: ${link}`);
      else if (heading !== undefined && !anchors(await readDocument(target)).includes(heading)) {
        broken.push(`${file}: ${link}`);
      }
    }
  }
  expect(links.length).toBeGreaterThan(15);
  expect(broken).toEqual([]);
});

function readDocument(file: string): Promise<string> {
  return Bun.file(join(ROOT, file)).text();
}

/** The anchors that GitHub gives to the headings of a document. */
function anchors(text: string): string[] {
  return Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
