import { parseArgs } from "node:util";
import { pipe } from "./pipe.ts";
import { screen } from "./screen.ts";
import { ERRORS } from "../protocol/codes.ts";
import { channelOfPath } from "../protocol/channels.ts";
import { nameOf } from "../protocol/names.ts";

/** `shoal chat`: talks from a terminal, or is a pipe where there is none. */

const HELP = `Usage: shoal chat URL [--name NAME] [--json]

  URL          the channel, like ws://localhost:6060/fishing; http and https do as well
  --name NAME  the name to speak under
  --json       writes events as lines of JSON, where the output is no terminal or the input is none

On a terminal, /help tells what can be typed. Where the input or the output is no terminal, lines in
are messages and messages out are lines:

  echo "deploy done" | shoal chat ws://localhost:6060/fishing --name ci

ends with status 0 once that is acknowledged, and with another one if it was not. It ends with its
input, so to listen only, as a service whose input is empty, give it one without an end:

  tail -f /dev/null | shoal chat ws://localhost:6060/fishing
`;

export interface ChatIo {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Says a sentence on standard error. */
  readonly say: (sentence: string) => void;
  readonly colours: boolean;
}

/**
 * Runs the command.
 *
 * @param args what stands behind `shoal chat`
 * @returns the exit status: 2 for wrong words
 */
export async function chat(
  args: string[],
  { stdin, stdout, say, colours }: ChatIo,
): Promise<number> {
  const words = read(args);
  if (typeof words === "string") {
    say(`${words} See shoal chat --help.`);
    return 2;
  }
  if (words.help) {
    stdout.write(HELP);
    return 0;
  }
  const { url, name, json } = words;
  if (!json && stdin.isTTY && stdout.isTTY) {
    return screen({ url, name, colours, input: stdin, output: stdout });
  }
  const status = await pipe({ url, name, json, input: stdin, output: stdout, say });
  await new Promise<void>((resolve) => stdout.write("", () => resolve()));
  return status;
}

type Words = { help: true } | { help: false; url: URL; name: string | undefined; json: boolean };

/** The arguments, or what is wrong with them. */
function read(args: string[]): Words | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        name: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return { help: true };
    const [address, ...others] = positionals;
    if (address === undefined) return "Which channel? shoal chat ws://localhost:6060/fishing.";
    if (others.length > 0) return `One URL is enough, but there is also "${others.join(" ")}".`;
    const url = URL.parse(address);
    if (url === null || !/^(ws|http)s?:$/.test(url.protocol)) {
      return `"${address}" is no channel: a URL like ws://localhost:6060/fishing is.`;
    }
    if ("fault" in channelOfPath(url.pathname)) {
      return `"${url.pathname}" is no channel: a path like /fishing is.`;
    }
    const { name, json = false } = values;
    // No answer ends the wait for an empty one, and one far too long costs each connection.
    if (name !== undefined && nameOf(name) === undefined) return ERRORS.name_invalid;
    return { help: false, url, name, json };
  } catch (error) {
    return (error as Error).message.split("\n")[0] ?? "";
  }
}
