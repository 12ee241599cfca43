import { parseArgs } from "node:util";
import { pipe } from "./pipe.ts";
import { screen } from "./screen.ts";
import { ERRORS } from "../protocol/codes.ts";
import { channelOfPath } from "../protocol/channels.ts";
import { nameOf } from "../protocol/names.ts";

/** `shoal chat`: an interactive chat on a terminal, otherwise a pipe. */

const HELP = `Usage: shoal chat URL [--name NAME] [--json]

  URL          the channel, like ws://localhost:6060/fishing; http and https work as well
  --name NAME  the name to talk under
  --json       write events as lines of JSON; also turns the interactive chat off

On a terminal, type /help for the commands. If the input or the output is not a terminal, each input
line is sent as a message, and each message is written as a line, TIME NAME: TEXT:

  2026-11-24T16:51:07Z ann: Anything biting?

The first ": " ends the name. A name that has a colon or starts with a quotation mark is in quotes, as
in JSON, with U+FF1A for the colon. For exact names and texts, and for deletions, use --json.

  echo "deploy done" | shoal chat ws://localhost:6060/fishing --name ci

exits with status 0 once the message is acknowledged, and with another status if it was not. The
command ends when its input ends. To listen only, for example as a service, keep the input open:

  tail -f /dev/null | shoal chat ws://localhost:6060/fishing
`;

export interface ChatIo {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Writes a sentence to standard error. */
  readonly say: (sentence: string) => void;
  readonly colours: boolean;
}

/**
 * Runs the command.
 *
 * @param args the arguments after `shoal chat`
 * @returns the exit status: 2 for invalid arguments
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
    if (address === undefined) return "Which channel? Give a URL like ws://localhost:6060/fishing.";
    if (others.length > 0) return `Give one URL. This is too much: "${others.join(" ")}".`;
    const url = URL.parse(address);
    if (url === null || !/^(ws|http)s?:$/.test(url.protocol)) {
      return `"${address}" is not a channel. Give a URL like ws://localhost:6060/fishing.`;
    }
    if ("fault" in channelOfPath(url.pathname)) {
      return `"${url.pathname}" is not a channel. Give a path like /fishing.`;
    }
    const { name, json = false } = values;
    // An empty name gets no answer, and one that is far too long costs every connection.
    if (name !== undefined && nameOf(name) === undefined) return ERRORS.name_invalid;
    return { help: false, url, name, json };
  } catch (error) {
    return (error as Error).message.split("\n")[0] ?? "";
  }
}
