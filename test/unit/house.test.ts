import { expect, test } from "bun:test";
import { dirname, join, relative, resolve } from "node:path";

const SRC = resolve(import.meta.dir, "../../src");

/**
 * The floors of the house, from the top. A file imports from its own floor or from those below.
 * What is not in the list is on the floor of its folder.
 */
const FLOORS = [
  ["main.ts"],
  ["tools"],
  ["server.ts", "listener.ts"],
  ["edge", "http"],
  ["commands"],
  ["node"],
  ["broker"],
  ["auth", "log.ts", "config.ts", "settings.ts", "env-files.ts", "open-files.ts"],
  ["protocol"],
];
/** Rooms beside the house: what each may import from outside of itself. */
const ROOMS: Record<string, string[]> = {
  client: ["protocol"],
  terminal: ["protocol", "client"],
  web: ["protocol", "client"],
};
/** Who may look into which room. */
const VISITORS: Record<string, string[]> = {
  client: ["http", "server.ts", "terminal", "web"],
  terminal: ["main.ts"],
  web: ["server.ts", "http"],
};

/** Lines at most, so that a reader can take a file or a function in at once. */
const FILE_LINES = 260;
const FUNCTION_LINES = 60;

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Every import within src, types included, as [from, to] relative to src. */
async function imports(): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync(SRC)) {
    const text = await Bun.file(join(SRC, file)).text();
    const typesToo = text
      .replace(/^(import|export) type /gm, "$1 ")
      .replace(/([{,]\s*)type /g, "$1");
    const listed = [...typesToo.matchAll(/\bfrom "(\.[^"]+)"/g)].map(([, path]) => path!);
    const seen = transpiler.scanImports(text).map(({ path }) => path);
    for (const path of new Set([...listed, ...seen.filter((path) => path.startsWith("."))])) {
      found.push([file, relative(SRC, resolve(join(SRC, dirname(file)), path))]);
    }
  }
  return found;
}

function roomOf(file: string): string {
  return file.split("/")[0]!;
}

function floorOf(file: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

test("imports point down only, and rooms beside the house are entered only where they may be", async () => {
  const wrong: string[] = [];
  const all = await imports();
  expect(all.length).toBeGreaterThan(30);
  for (const [from, to] of all) {
    if (to.startsWith("..")) {
      if (!(from === "main.ts" && to === "../package.json")) wrong.push(`${from} -> ${to}`);
      continue;
    }
    const [here, there] = [roomOf(from), roomOf(to)];
    if (here === there) continue;
    const own = ROOMS[here];
    const fine =
      own !== undefined
        ? own.includes(there)
        : (VISITORS[there]?.includes(here) ??
          (floorOf(from) !== -1 && floorOf(from) <= floorOf(to)));
    if (!fine) wrong.push(`${from} -> ${to}`);
  }
  expect(wrong).toEqual([]);
});

test("no imports form a circle", async () => {
  const edges = new Map<string, string[]>();
  for (const [from, to] of await imports()) edges.set(from, [...(edges.get(from) ?? []), to]);
  const done = new Set<string>();
  function visit(file: string, path: string[]): void {
    expect(path).not.toContain(file);
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  }
  for (const file of edges.keys()) visit(file, []);
});

test("the listener, the timer, the environment and the sockets are used only where they belong", async () => {
  const rules: [RegExp, string[]][] = [
    [/\bBun\.serve\(/, ["listener.ts"]],
    [/\bsetInterval\(/, ["server.ts", "terminal/", "web/"]],
    [/\bprocess\.(env|argv)\b|\bBun\.(env|argv)\b/, ["main.ts", "http/bundle.ts"]],
    [/\bServerWebSocket\b/, ["edge/peer.ts", "edge/websocket.ts"]],
    // The node alone tells listeners anything; a peer hands it to its socket.
    [/\.send\(/, ["node/node.ts", "edge/peer.ts", "client/", "terminal/", "web/"]],
    [/"bun:sqlite"/, ["broker/sqlite/", "tools/"]],
  ];
  for (const file of new Bun.Glob("**/*.ts").scanSync(SRC)) {
    const text = await Bun.file(join(SRC, file)).text();
    for (const [pattern, allowed] of rules) {
      if (allowed.some((place) => file.startsWith(place))) continue;
      expect(pattern.test(text), `${file} has ${pattern}`).toBe(false);
    }
  }
});

test("a start does not bundle the client library: it is loaded when somebody asks for it", async () => {
  const reached = new Set<string>();
  async function visit(file: string): Promise<void> {
    if (reached.has(file) || !file.endsWith(".ts")) return;
    reached.add(file);
    const seen = transpiler.scanImports(await Bun.file(join(SRC, file)).text());
    for (const { path, kind } of seen) {
      if (path.startsWith(".") && kind === "import-statement") {
        await visit(relative(SRC, resolve(join(SRC, dirname(file)), path)));
      }
    }
  }
  await visit("main.ts");
  expect(reached).toContain("http/library.ts");
  expect(reached).not.toContain("http/library-code.ts");
  expect(reached).not.toContain("http/bundle.ts");
});

test(`no file has over ${FILE_LINES} lines, no function over ${FUNCTION_LINES}`, async () => {
  const long: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync(SRC)) {
    const lines = (await Bun.file(join(SRC, file)).text()).split("\n");
    if (lines.length - 1 > FILE_LINES) long.push(`${file}: ${lines.length - 1}`);
    for (const [at, line] of lines.entries()) {
      if (!/(?:\)(?:: .+)?|=>) \{$/.test(line) || /^ *(?:if|for|while|switch|\})/.test(line))
        continue;
      // Formatted code ends a block at the indentation of the line that began it.
      const indent = /^ */.exec(line)![0];
      const size = lines.slice(at).findIndex((other) => other.startsWith(`${indent}}`)) + 1;
      if (size > FUNCTION_LINES) long.push(`${file}:${at + 1}: ${size}`);
    }
  }
  expect(long).toEqual([]);
});
