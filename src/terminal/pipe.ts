import { createInterface } from "node:readline";
import { connect } from "../client/client.ts";
import { jsonLine, pipeLine } from "./lines.ts";

export interface PipeOptions {
  readonly url: URL;
  readonly name: string | undefined;
  /** Whether to write events as lines of JSON. */
  readonly json: boolean;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Says a sentence on standard error. */
  readonly say: (sentence: string) => void;
}

/** Milliseconds without a connection until it is no use to wait any longer. */
const PATIENCE = 10_000;
/** Messages that may be on their way before more input is read. */
const AHEAD = 100;

/**
 * Lines in are messages, messages out are lines, until the input ends and all it held is
 * acknowledged.
 *
 * @returns the exit status: 0, or 1 where something was refused or the server was not reached
 */
export async function pipe(options: PipeOptions): Promise<number> {
  const { url, name, json, input, output, say } = options;
  /** Why the last connection was not made: ": " and the reason, where Bun tells it. */
  let why = "";
  class Telling extends WebSocket {
    constructor(address: string | URL, protocols: string | string[] = []) {
      super(address, protocols);
      this.addEventListener("error", (event) => (why = reasonOf(event)));
    }
  }
  const webSocket = Telling as unknown as typeof WebSocket;
  const chat = connect(url, { history: 0, name, webSocket });
  const ended = Promise.withResolvers<number>();
  const entered = Promise.withResolvers<void>();
  let status = 0;
  let reading = true;
  /** Whether all that was read is acknowledged or refused: whatever fails then costs no message. */
  let settled = false;
  let connected = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function fail(sentence: string): void {
    say(sentence);
    ended.resolve(settled ? status : 1);
  }

  /** Waits for a connection, but not for ever if that is all there is to wait for. */
  function watch(): void {
    if (chat.state === "open") {
      clearTimeout(timer);
      timer = undefined;
    } else if (!connected || !reading) {
      timer ??= setTimeout(() => fail(`There is no connection to ${url.href}${why}.`), PATIENCE);
    }
  }

  function write(line: string): void {
    output.write(`${line}\n`);
  }

  output.on("error", () => ended.resolve(status));
  chat.on("message", (message) => write(json ? jsonLine("message", message) : pipeLine(message)));
  chat.on("gap", (gap) => {
    if (json) write(jsonLine("gap", gap));
    else say("Messages are missing here.");
  });
  chat.on("error", ({ message, ref }) => {
    if (ref === undefined) fail(message);
  });
  chat.on("replaced", ({ message }) => fail(message));
  chat.on("identity", () => entered.resolve());
  chat.on("state", ({ state }) => {
    watch();
    if (state !== "open") return;
    connected = true;
    if (name === undefined) entered.resolve();
  });
  watch();

  async function read(): Promise<void> {
    const under = new Set<Promise<void>>();
    let newest = 0;
    for await (const line of createInterface({ input })) {
      if (line.trim() === "") continue;
      if (name === undefined) return fail("Who speaks needs a name: add --name NAME.");
      const sending = chat.send(line).sent.then((sent) => {
        under.delete(sending);
        if (sent.ok) newest = sent.id ?? 0;
        else {
          status = 1;
          if (chat.state !== "closed") say(`Not sent: ${sent.message}`);
        }
      });
      under.add(sending);
      if (under.size >= AHEAD) await Promise.race(under);
    }
    reading = false;
    watch();
    await entered.promise;
    await Promise.all(under);
    settled = true;
    // What was acknowledged is written as well, unless it is lost.
    if (chat.last < newest) await Promise.race([heard(newest), Bun.sleep(PATIENCE)]);
    ended.resolve(status);
  }

  /** Waits for the message of this id, or for a gap in its place. */
  function heard(newest: number): Promise<void> {
    return new Promise((resolve) => {
      chat.on("message", ({ id = 0 }) => id >= newest && resolve());
      chat.on("gap", ({ after }) => {
        // Only then has it moved on, or back where the server has forgotten all.
        queueMicrotask(() => (chat.last >= newest || chat.last < after) && resolve());
      });
    });
  }

  read().catch((error: unknown) => fail(`The input can not be read: ${String(error)}`));
  const result = await ended.promise;
  clearTimeout(timer);
  chat.close();
  return result;
}

/** Like ": Failed to connect (ECONNREFUSED)", from "WebSocket connection to '...' failed: ...". */
function reasonOf(event: Event): string {
  const { message = "", error } = event as Partial<ErrorEvent>;
  const reason = / failed: (.+)/.exec(message)?.[1];
  const { code } = (error ?? {}) as { code?: string };
  if (reason === undefined) return "";
  return code === undefined ? `: ${reason}` : `: ${reason} (${code})`;
}
