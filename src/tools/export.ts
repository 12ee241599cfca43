import { channelOf } from "../protocol/channels.ts";
import { REMOVED } from "../protocol/encode.ts";
import { openToRead, type Fault, type Task } from "./task.ts";

/** `shoal export CHANNEL`: writes what is kept of a channel, the oldest message first. */

/**
 * Messages that are read at once. In between, nothing is held: a reader that goes on for long keeps the
 * server from emptying its log.
 */
const PAGE = 1000;

interface Row {
  readonly id: number;
  readonly timestamp: number;
  readonly text: string;
  readonly user: string;
}

export async function exportChannel({ path, operand, write }: Task): Promise<Fault | undefined> {
  using database = openToRead(path);
  const named = channelOf(operand);
  const known =
    "id" in named
      ? database
          .query<{ number: number }, [string]>("SELECT number FROM channels WHERE channel = ?")
          .get(named.id)
      : null;
  if (known === null) return { status: 1, reason: `DATABASE ${path} has no channel "${operand}".` };
  using page = database.prepare<Row, [number, number]>(
    `SELECT id, timestamp, text, user FROM messages
     WHERE channel = ? AND id > ? AND text <> '${REMOVED}' ORDER BY id LIMIT ${PAGE}`,
  );
  for (let last = 0, more = true; more;) {
    const rows = page.all(known.number, last);
    more = rows.length === PAGE;
    last = rows.at(-1)?.id ?? last;
    await write(rows.map(lineOf).join(""));
  }
  return undefined;
}

/** Text and user are JSON already. */
function lineOf({ id, timestamp, text, user }: Row): string {
  return `{"text":${text},"timestamp":${timestamp},"user":${user},"id":${id}}\n`;
}
