import { Database } from "bun:sqlite";
import { openFile } from "../../src/broker/sqlite/data.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite.ts";
import { createLog } from "../../src/log.ts";
import {
  type AskedBroker,
  asked,
  clocksOf,
  draft,
  type Heard,
  recorder,
  RULES,
  START,
} from "./port.ts";

/** A broker on a database file, and what it writes to its log. */
export interface FileStore {
  readonly path: string;
  readonly raw: SqliteBroker;
  readonly broker: AskedBroker;
  readonly heard: Heard[];
  readonly lines: string[];
  /** Milliseconds since the epoch. */
  now: number;
  /** Posts so many messages, all at once. @returns their ids */
  post(channel: string, count: number, options?: PostOptions): Promise<number[]>;
  /** The texts of a channel's newest messages, at most 200. */
  texts(channel: string): Promise<string[]>;
  /** Lets the broker renew until something holds. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
}

export interface PostOptions {
  readonly text?: string;
  readonly network?: string;
}

export async function openFileStore(
  path: string,
  history: Partial<typeof RULES.history> = {},
  now = START,
): Promise<FileStore> {
  const time = { now, skew: 0 };
  const heard: Heard[] = [];
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const log = createLog({ level: "info", readable: true, write, clock: () => new Date() });
  const rules = { ...RULES, history: { ...RULES.history, ...history } };
  const options = { rules, ...clocksOf(() => time, now), events: recorder(heard), log };
  const raw = new SqliteBroker(await openFile(path, options), options);
  const broker = asked(raw);
  const store: FileStore = {
    ...{ path, raw, broker, heard, lines },
    get now() {
      return time.now;
    },
    set now(now) {
      time.now = now;
    },
    async post(channel, count, { text = "text", network } = {}) {
      const posts = Array.from({ length: count }, (_, n) =>
        broker.publish(channel, { ...draft(`${text} ${n}`, "s"), network }),
      );
      return (await Promise.all(posts)) as number[];
    },
    async texts(channel) {
      const { messages } = await broker.history(channel, { limit: 200 });
      return messages.map(({ text }) => JSON.parse(text) as string);
    },
    async until(holds) {
      while (!(await holds())) {
        await broker.renew();
        await Bun.sleep(5);
      }
    },
  };
  return store;
}

/** How many messages of a channel are in the file, or of all. */
export function inFile(path: string, channel?: string): number {
  const database = new Database(path, { readonly: true });
  const row = database
    .query<{ n: number }, [string | null]>(
      `SELECT count(*) AS n FROM messages JOIN channels ON number = messages.channel
       WHERE ?1 IS NULL OR channels.channel = ?1`,
    )
    .get(channel ?? null);
  database.close();
  return row!.n;
}
