import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { version } from "../package.json";
import { isBadPort, readConfig } from "./config.ts";
import { envFileFault, envFiles } from "./env-files.ts";
import { createLog } from "./log.ts";
import { createServer, type ServerData, type ShoalServer } from "./server.ts";
import { SETTINGS } from "./settings.ts";
import { chat } from "./terminal/terminal.ts";

/** The commands and the signals. The environment and the arguments are read only here. */

/** What one load of this code hands to the next under `bun --hot`, which runs it again. */
interface Hot {
  data?: ServerData;
  /** Ends what the previous load has started. */
  dispose?: () => void;
}

const hot = ((globalThis as { shoal?: Hot }).shoal ??= {});
hot.dispose?.();
delete hot.dispose;

const flags = Object.values(SETTINGS).map((setting) => ({
  ...setting,
  flag: setting.variable.toLowerCase().replaceAll("_", "-"),
}));

function help(): string {
  const width = Math.max(...flags.map(({ flag }) => flag.length));
  const lines = flags.map(({ flag, about, default: fallback }) => {
    return `  --${flag.padEnd(width)}  ${about}${fallback === "" ? "" : ` (${fallback})`}`;
  });
  return `Shoal ${version}: a WebSocket chat server. Every URL path is a channel.

Usage: shoal [serve] [options]
       shoal chat URL [--name NAME] [--json]    talks from a terminal or a pipe

${lines.join("\n")}
  --${"help".padEnd(width)}  this text
  --${"version".padEnd(width)}  the version

Every flag is also an environment variable, which a .env file in the current folder can set:
--text-limit 500 is TEXT_LIMIT=500. Flags override variables.
`;
}

/** Reports on standard error. */
function say(sentence: string): void {
  console.error(`shoal: ${sentence}`);
}

/** Exits with a reason: status 2 for wrong arguments or settings, 1 for a failure. */
function stop(status: 1 | 2, ...sentences: string[]): never {
  for (const sentence of sentences) say(sentence);
  process.exit(status);
}

/** The settings among the arguments, as they would be in the environment. */
function readArguments(args: string[]): Record<string, string> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...Object.fromEntries(flags.map(({ flag }) => [flag, { type: "string" as const }])),
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" },
      },
    });
    if (values.help === true) {
      console.log(help());
      process.exit(0);
    }
    if (values.version === true) {
      console.log(version);
      process.exit(0);
    }
    const [command = "serve", ...others] = positionals;
    if (command !== "serve" || others.length > 0) {
      stop(2, `"${positionals.join(" ")}" is not a command. See shoal --help.`);
    }
    const texts = values as Record<string, string>;
    const given = flags.filter(({ flag }) => flag in texts);
    return Object.fromEntries(given.map(({ flag, variable }) => [variable, texts[flag]!]));
  } catch (error) {
    return stop(2, `${(error as Error).message.split("\n")[0]} See shoal --help.`);
  }
}

function isFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The first bytes of a file; none if it cannot be read. */
function headOf(path: string): Uint8Array {
  return isFile(path) ? readFileSync(path).subarray(0, 1024) : new Uint8Array();
}

async function serve(args: string[]): Promise<void> {
  const names = envFiles(process.env.NODE_ENV);
  const faults = names.flatMap((name) => envFileFault(name, headOf(name)) ?? []);
  if (faults.length > 0) return stop(2, ...faults);
  const read = readConfig({ ...process.env, ...readArguments(args) }, isFile);
  if ("faults" in read) return stop(2, ...read.faults);
  const { config } = read;
  const log = createLog({
    level: config.logLevel,
    readable: process.stdout.isTTY,
    write: (line) => process.stdout.write(`${line}\n`),
    clock: () => new Date(),
  });

  let server: ShoalServer;
  try {
    server = await createServer(config, log, {
      data: hot.data,
      onBroken: (reason) => stop(1, `DATABASE: ${reason}. Start the server again.`),
    });
  } catch (error) {
    return stop(1, `cannot start: ${(error as Error).message}`);
  }
  let stopping = false;
  function onSignal(signal: NodeJS.Signals): void {
    if (stopping) process.exit(1);
    stopping = true;
    log.info("stopping", { signal });
    server.drain().then(
      () => process.exit(0),
      (error: unknown) => stop(1, `could not stop cleanly: ${String(error)}`),
    );
  }
  // The chat goes on if whatever reads the log goes away.
  const onLogGone = () => process.stdout.destroy();
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  process.stdout.on("error", onLogGone);

  // Whoever reads this may send a signal at once.
  const { url, port } = server;
  if (hot.data === undefined) {
    log.info("listening", { url: url.href });
    if (isBadPort(port)) {
      const advice = "browsers refuse to connect to this port; other clients do not";
      log.warn("bad port", { port, advice });
    }
  }

  hot.data = server.data;
  hot.dispose = () => {
    server.dispose();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    process.stdout.off("error", onLogGone);
  };
}

const args = Bun.argv.slice(2);
if (args[0] === "chat") {
  const { stdin, stdout, env } = process;
  const colours = !env.NO_COLOR && env.TERM !== "dumb";
  process.exit(await chat(args.slice(1), { stdin, stdout, say, colours }));
} else {
  await serve(args);
}
