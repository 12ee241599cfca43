import { createInterface } from "node:readline";
import { type Chat, connect, type Sent, type StateEvent } from "../client/client.ts";
import { jsonLine, pipeLine } from "./lines.ts";

export interface PipeOptions {
  readonly url: URL;
  readonly name: string | undefined;
  /** Whether to write events as lines of JSON. */
  readonly json: boolean;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Writes a sentence to standard error. */
  readonly say: (sentence: string) => void;
  /** Milliseconds without a connection after which waiting is pointless; default: 10,000. */
  readonly patience?: number;
}

const PATIENCE = 10_000;
/** Unacknowledged messages before reading pauses. */
const AHEAD = 100;

/**
 * Sends each line of the input as a message and writes each message as a line, until the input ends
 * and all of it is acknowledged.
 *
 * @returns the exit status: 0, or 1 if something was rejected or the server was not reached
 */
export function pipe(options: PipeOptions): Promise<number> {
  return new Pipe(options).run();
}

class Pipe {
  readonly #options: PipeOptions;
  readonly #chat: Chat;
  readonly #ended = Promise.withResolvers<number>();
  readonly #entered = Promise.withResolvers<void>();
  /** Why the last connection failed: ": " and the reason, if the server or Bun says so. */
  #why = "";
  #status = 0;
  #reading = true;
  /** Whether everything read was acknowledged or rejected: a later failure costs no message. */
  #settled = false;
  #connected = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The id of the newest message that was acknowledged. */
  #newest = 0;

  constructor(options: PipeOptions) {
    const { url, name } = options;
    this.#options = options;
    const webSocket = webSocketWith((event) => (this.#why = reasonOf(event)));
    this.#chat = connect(url, { history: 0, name, webSocket });
  }

  async run(): Promise<number> {
    this.#listen();
    this.#watch();
    this.#read().catch((error: unknown) => this.#fail(`Cannot read the input: ${String(error)}`));
    const status = await this.#ended.promise;
    clearTimeout(this.#timer);
    this.#chat.close();
    return status;
  }

  #listen(): void {
    const { json, output, say } = this.#options;
    const chat = this.#chat;
    const write = (line: string) => void output.write(`${line}\n`);
    output.on("error", () => this.#ended.resolve(this.#status));
    chat.on("message", (message) => {
      if (json) write(jsonLine("message", message));
      else if (!message.removed) write(pipeLine(message));
    });
    chat.on("removed", (removed) => json && write(jsonLine("removed", removed)));
    chat.on("gap", (gap) => {
      if (json) write(jsonLine("gap", gap));
      else say("Messages are missing here.");
    });
    chat.on("error", ({ message, ref }) => {
      if (ref === undefined) this.#fail(message);
    });
    chat.on("replaced", ({ message }) => this.#fail(message));
    chat.on("identity", () => this.#entered.resolve());
    chat.on("state", (event) => this.#onState(event));
  }

  #onState({ state, detail }: StateEvent): void {
    if (detail !== undefined) this.#why = `: ${detail}`;
    this.#watch();
    if (state !== "open") return;
    this.#connected = true;
    if (this.#options.name === undefined) this.#entered.resolve();
  }

  #fail(sentence: string): void {
    this.#options.say(sentence);
    this.#ended.resolve(this.#settled ? this.#status : 1);
  }

  /** Waits for a connection, but not forever if there is nothing else to wait for. */
  #watch(): void {
    if (this.#chat.state === "open") {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (!this.#connected || !this.#reading) {
      this.#timer ??= setTimeout(() => {
        this.#fail(`Cannot connect to ${this.#options.url.href}${this.#why.replace(/\.$/, "")}.`);
      }, this.#options.patience ?? PATIENCE);
    }
  }

  async #read(): Promise<void> {
    const { name, input } = this.#options;
    const pending = new Set<Promise<void>>();
    for await (const line of createInterface({ input })) {
      if (line.trim() === "") continue;
      if (name === undefined) return this.#fail("Sending requires a name: add --name NAME.");
      const sending = this.#chat.send(line).sent.then((sent) => {
        pending.delete(sending);
        this.#onSent(sent);
      });
      pending.add(sending);
      if (pending.size >= AHEAD) await Promise.race(pending);
    }
    this.#reading = false;
    this.#watch();
    await this.#entered.promise;
    await Promise.all(pending);
    this.#settled = true;
    // What was acknowledged is written as well, unless it is lost.
    if (this.#chat.last < this.#newest) await Promise.race([this.#heard(), Bun.sleep(PATIENCE)]);
    this.#ended.resolve(this.#status);
  }

  #onSent(sent: Sent): void {
    if (sent.ok) this.#newest = sent.id ?? 0;
    else {
      this.#status = 1;
      if (this.#chat.state !== "closed") this.#options.say(`Not sent: ${sent.message}`);
    }
  }

  /** Resolves when the newest message arrives, or a gap in its place. */
  #heard(): Promise<void> {
    const chat = this.#chat;
    return new Promise((resolve) => {
      chat.on("message", ({ id = 0 }) => id >= this.#newest && resolve());
      chat.on("gap", ({ after }) => {
        // `last` moves after this event: forward, or back if the server has forgotten everything.
        queueMicrotask(() => (chat.last >= this.#newest || chat.last < after) && resolve());
      });
    });
  }
}

/** A WebSocket that reports its errors, which the client library does not pass on. */
function webSocketWith(onError: (event: Event) => void): typeof WebSocket {
  class Reporting extends WebSocket {
    constructor(address: string | URL, protocols: string | string[] = []) {
      super(address, protocols);
      this.addEventListener("error", onError);
    }
  }
  return Reporting as unknown as typeof WebSocket;
}

/** Like ": Failed to connect (ECONNREFUSED)", from "WebSocket connection to '...' failed: ...". */
function reasonOf(event: Event): string {
  const { message = "", error } = event as Partial<ErrorEvent>;
  const reason = / failed: (.+)/.exec(message)?.[1];
  const { code } = (error ?? {}) as { code?: string };
  if (reason === undefined) return "";
  return code === undefined ? `: ${reason}` : `: ${reason} (${code})`;
}
