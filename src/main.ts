import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { version } from "../package.json";
import { type Config, isBadPort, readConfig } from "./config.ts";
import { envFileFault, envFiles } from "./env-files.ts";
import { createLog } from "./log.ts";
import { createServer, type ServerData, type ShoalServer } from "./server.ts";
import { SETTINGS } from "./settings.ts";
import { chat } from "./terminal/terminal.ts";
import { type Arguments, runTool, type Tool, TOOLS } from "./tools/tools.ts";

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
  const tools = Object.entries(TOOLS).map(([name, { usage, about }]) => {
    const command = `shoal ${name} ${usage}`.padEnd(40);
    return `       ${command}${command.length > 40 ? `\n${" ".repeat(47)}` : ""} ${about}`;
  });
  const lines = flags.map(({ flag, about, default: fallback }) => {
    return `  --${flag.padEnd(width)}  ${about}${fallback === "" ? "" : ` (${fallback})`}`;
  });
  return `Shoal ${version}: a WebSocket chat server. Every URL path is a channel.

Usage: shoal [serve] [options]
       shoal chat URL [--name NAME] [--json]    talks from a terminal or a pipe
${tools.join("\n")}

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

/**
 * The settings among the arguments, as they would be in the environment, and all else.
 *
 * @param own options beside the settings
 */
function readArguments(
  args: string[],
  own: ParseArgsOptionsConfig,
): Arguments & { readonly variables: Record<string, string> } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...Object.fromEntries(flags.map(({ flag }) => [flag, { type: "string" as const }])),
        ...own,
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
    const options = values as Arguments["options"];
    const given = flags.filter(({ flag }) => flag in options);
    const variables = given.map(({ flag, variable }) => [variable, options[flag]]);
    return { operands: positionals, options, variables: Object.fromEntries(variables) };
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

/** @param variables override the environment */
function readSettings(variables: Record<string, string>): Config {
  const names = envFiles(process.env.NODE_ENV);
  const faults = names.flatMap((name) => envFileFault(name, headOf(name)) ?? []);
  if (faults.length > 0) return stop(2, ...faults);
  const read = readConfig({ ...process.env, ...variables }, isFile);
  return "faults" in read ? stop(2, ...read.faults) : read.config;
}

/** Works on the database and exits. */
async function work(tool: Tool, args: string[]): Promise<never> {
  const { variables, ...given } = readArguments(args, tool.options);
  // Whoever reads the output may have seen enough.
  process.stdout.on("error", () => process.exit(0));
  const write = (text: string) =>
    new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
  const fault = await runTool(tool, { ...given, config: readSettings(variables), write });
  return fault === undefined ? process.exit(0) : stop(fault.status, fault.reason);
}

async function serve(args: string[]): Promise<void> {
  const { variables, operands } = readArguments(args, {});
  const [command = "serve", ...others] = operands;
  if (command !== "serve" || others.length > 0) {
    return stop(2, `"${operands.join(" ")}" is not a command. See shoal --help.`);
  }
  const config = readSettings(variables);
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
const [name = "", ...rest] = args;
const tool = TOOLS[name];
if (name === "chat") {
  const { stdin, stdout, env } = process;
  const colours = !env.NO_COLOR && env.TERM !== "dumb";
  process.exit(await chat(rest, { stdin, stdout, say, colours }));
} else if (tool !== undefined) {
  await work(tool, rest);
} else {
  await serve(args);
}
