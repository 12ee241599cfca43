import { benchmark, BENCHMARK_HELP } from "./benchmark.ts";
import { loadServer, OWN_SERVER_HELP } from "./own-server.ts";

/** `bun run bench`: the benchmark; with a URL as its first argument, a load on that server. */

function say(sentence: string): void {
  console.error(`bench: ${sentence}`);
}

const args = Bun.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  console.log(`${BENCHMARK_HELP}\n${OWN_SERVER_HELP}`);
} else if (args[0] !== undefined && !args[0].startsWith("-")) {
  process.exit(await loadServer(args, { print: console.log, say }));
} else {
  await benchmark(args);
}
process.exit(0);
