import type { ParseArgsOptionsConfig } from "node:util";
import { reasonOf } from "../broker/sqlite/database.ts";
import { backUp } from "./backup.ts";
import { check, RESTORE } from "./check.ts";
import { exportChannel } from "./export.ts";
import { forget } from "./forget.ts";
import { type Fault, isDamage, type Task } from "./task.ts";

/** The commands that work on the database, apart from the server. */

/** What was given beside the settings. */
export interface Arguments extends Pick<Task, "options"> {
  readonly operands: readonly string[];
}

export interface Tool {
  /** What follows its name, for --help. */
  readonly usage: string;
  readonly about: string;
  /** How many operands it takes. */
  readonly operands: number;
  /** Its own, beside the settings. */
  readonly options: ParseArgsOptionsConfig;
  readonly run: (task: Task) => Promise<Fault | undefined>;
}

export const TOOLS: Readonly<Record<string, Tool>> = {
  backup: {
    usage: "FILE",
    about: "copies DATABASE to a new file, even while the server runs",
    operands: 1,
    options: {},
    run: backUp,
  },
  export: {
    usage: "CHANNEL",
    about: "writes the messages of a channel as lines of JSON",
    operands: 1,
    options: {},
    run: exportChannel,
  },
  check: {
    usage: "[--repair]",
    about: "looks for faults in DATABASE and shows what it holds",
    operands: 0,
    options: { repair: { type: "boolean" } },
    run: check,
  },
  forget: {
    usage: "--name NAME | --session SESSION [--channel CHANNEL] [--yes]",
    about: "deletes for good what somebody said",
    operands: 0,
    options: {
      name: { type: "string" },
      session: { type: "string" },
      channel: { type: "string" },
      yes: { type: "boolean" },
    },
    run: forget,
  },
};

/** @returns why it failed, if so */
export async function runTool(
  tool: Tool,
  given: Arguments & Pick<Task, "config" | "write">,
): Promise<Fault | undefined> {
  const { operands, config } = given;
  if (operands.length !== tool.operands) {
    const taken = tool.operands === 0 ? "no argument" : `one argument, ${tool.usage}`;
    return { status: 2, reason: `The command takes ${taken}. See shoal --help.` };
  }
  const path = config.database;
  if (path === "") {
    const places = "in the environment, in .env or with --database";
    return { status: 2, reason: `DATABASE is not set. Set it ${places}.` };
  }
  const now = Math.floor(Date.now() / 1000);
  try {
    return await tool.run({ ...given, path, operand: operands[0] ?? "", now });
  } catch (error) {
    const reason = `DATABASE ${path} cannot be used: ${reasonOf(error)}.`;
    return { status: 1, reason: isDamage(error) ? `${reason} ${RESTORE}` : reason };
  }
}
