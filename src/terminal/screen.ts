import { emitKeypressEvents } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import {
  type Chat,
  type ChatMessage,
  connect,
  type PresenceEvent,
  type StateEvent,
} from "../client/client.ts";
import type { Key } from "./editor.ts";
import { clean, dim, screenLine } from "./lines.ts";
import { Prompt } from "./prompt.ts";
import { QUERY_LIMIT } from "../protocol/limits.ts";

export interface ScreenOptions {
  readonly url: URL;
  readonly name: string | undefined;
  readonly colours: boolean;
  readonly input: ReadStream;
  readonly output: WriteStream;
}

const HELP = `/name NAME     take a name, or change it
/leave         give your name up
/who           show who is here
/search WORDS  find words, "phrases", begin* or from:NAME
/delete        delete your last message
/quit          leave the channel
//text         send a message that starts with a slash`;

const NAMELESS = "Take a name to talk: /name NAME";

/** Messages that a search shows. */
const HITS = 20;
/** Milliseconds that unacknowledged messages get after /quit. */
const FAREWELL = 2000;

/**
 * Chats on a terminal: messages above, an input line below.
 *
 * @returns the exit status: 0, or 1 if a message was still not sent at the end
 */
export function screen(options: ScreenOptions): Promise<number> {
  return new Screen(options).run();
}

class Screen {
  readonly #options: ScreenOptions;
  readonly #chat: Chat;
  readonly #prompt: Prompt;
  readonly #quit = Promise.withResolvers<void>();
  /** The messages and removals that are not acknowledged yet. */
  readonly #pending = new Set<Promise<void>>();
  /** What was said in this run and not deleted, and the ids of what is being deleted. */
  readonly #said: { readonly id: number; readonly text: string }[] = [];
  readonly #deleting = new Set<number>();
  #present: PresenceEvent | undefined;
  /** The day of the last message. */
  #day = "";
  /** The last sentence about the connection. */
  #status = "";

  constructor(options: ScreenOptions) {
    const { url, name, output } = options;
    this.#options = options;
    this.#chat = connect(url, { presence: true, name });
    this.#prompt = new Prompt(output, () => clean(this.#chat.user ?? ""));
  }

  async run(): Promise<number> {
    const { name, input, output } = this.#options;
    const prompt = this.#prompt;
    const resize = () => prompt.draw();
    this.#listen();
    if (name === undefined) this.#note(`${NAMELESS}. All commands: /help`);
    emitKeypressEvents(input);
    input.setRawMode(true);
    input.on("keypress", this.#onKey).resume();
    input.on("end", this.#quit.resolve);
    output.on("resize", resize);
    prompt.draw();
    await this.#quit.promise;
    prompt.end();
    input.off("keypress", this.#onKey).pause();
    input.setRawMode(false);
    output.off("resize", resize);
    return this.#end();
  }

  async #end(): Promise<number> {
    await Promise.race([Promise.all(this.#pending), Bun.sleep(FAREWELL)]);
    const unsent = this.#pending.size;
    if (unsent > 0) this.#note(`Not confirmed by the server: ${counted(unsent, "message")}`);
    this.#chat.close();
    return unsent > 0 ? 1 : 0;
  }

  #listen(): void {
    const chat = this.#chat;
    const note = (sentence: string) => this.#note(sentence);
    chat.on("history", ({ messages }) => messages.forEach((message) => this.#onMessage(message)));
    chat.on("message", (message) => this.#onMessage(message));
    chat.on("removed", ({ id, user }) => {
      if (!this.#deleting.delete(id)) note(`${user} deleted a message.`);
    });
    chat.on("gap", () => note("- messages are missing here -"));
    chat.on("state", (event) => this.#onState(event));
    chat.on("presence", (event) => {
      this.#present = event;
    });
    chat.on("error", ({ message, ref }) => {
      if (ref === undefined) note(message);
    });
    chat.on("replaced", ({ message }) => note(message));
    chat.on("identity", ({ user }) => {
      note(user === undefined ? "You have no name now." : `You are ${user} now.`);
    });
  }

  #note(sentence: string): void {
    const lines = sentence.split("\n").map(clean).join("\n");
    this.#prompt.print(this.#options.colours ? dim(lines) : lines);
  }

  #onMessage(message: ChatMessage): void {
    const date = new Date(message.timestamp * 1000).toDateString();
    if (date !== this.#day) this.#note(`- ${date} -`);
    this.#day = date;
    this.#prompt.print(screenLine(message, this.#options.colours));
  }

  #onState({ state, reason, detail, retryAt }: StateEvent): void {
    // An attempt leaves the last sentence in place.
    if (state === "connecting") return;
    this.#prompt.countDown(retryAt);
    let sentence = `Connected to ${this.#options.url.href}`;
    if (state === "offline") sentence = "This device is offline. Waiting for the network...";
    if (state === "waiting") {
      const cause = reason === "stopping" ? "The server is restarting." : "There is no connection.";
      sentence = `${detail ?? cause} Reconnecting...`;
    }
    if (state === "closed" || sentence === this.#status) return;
    this.#status = sentence;
    this.#note(sentence);
  }

  readonly #onKey = (text: string | undefined, key: Key): void => {
    const { typed } = this.#prompt;
    if (key.ctrl === true && (key.name === "c" || (key.name === "d" && typed === ""))) {
      return this.#quit.resolve();
    }
    if (key.name === "return" || key.name === "enter") this.#enter(this.#prompt.take());
    else this.#prompt.press(text, key);
  };

  #enter(text: string): void {
    if (text.startsWith("//")) this.#await(this.#send(text.slice(1)));
    else if (text.startsWith("/")) this.#command(text);
    else if (text.trim() !== "") this.#await(this.#send(text));
  }

  #command(text: string): void {
    const [word = "", ...rest] = text.split(" ");
    switch (word) {
      case "/name":
        return void this.#identify(rest.join(" ").trim());
      case "/leave":
        return void this.#chat.leave();
      case "/who":
        return this.#who();
      case "/search":
        return void this.#search(rest.join(" ").trim());
      case "/delete":
        return this.#await(this.#delete());
      case "/quit":
        return this.#quit.resolve();
      case "/help":
        return this.#note(HELP);
      default:
        return this.#note(`${word} is not a command.\n${HELP}`);
    }
  }

  async #send(text: string): Promise<void> {
    if (this.#chat.state !== "open") this.#note(`Waiting to send: ${text}`);
    const outcome = await this.#chat.send(text).sent;
    if (outcome.ok) return void this.#said.push({ id: outcome.id ?? 0, text });
    const why = outcome.code === "not_identified" ? NAMELESS : outcome.message;
    if (outcome.code !== "closed") this.#note(`Not sent: ${text}\n${why}`);
  }

  /** Deletes the last message, which may still be on its way. */
  async #delete(): Promise<void> {
    await Promise.all(this.#pending);
    const last = this.#said.pop();
    if (last === undefined) return this.#note("You have sent no message that could be deleted.");
    const { id, text } = last;
    if (this.#chat.state !== "open") this.#note(`Waiting to delete: ${text}`);
    this.#deleting.add(id);
    const outcome = await this.#chat.remove(id);
    if (outcome.ok) return this.#note(`Deleted: ${text}`);
    this.#deleting.delete(id);
    if (outcome.code !== "closed") this.#note(`Not deleted: ${text}\n${outcome.message}`);
  }

  /** Lets a message or removal finish before the end. */
  #await(work: Promise<void>): void {
    const pending = work.finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #search(query: string): Promise<void> {
    if (query === "") return this.#note("Which words? /search WORDS");
    if (this.#chat.plain) return this.#note("This server has no search.");
    if (query.length > QUERY_LIMIT) {
      return this.#note(`A search can have ${QUERY_LIMIT} characters at most.`);
    }
    try {
      const { messages, more } = await this.#chat.search({ query, limit: HITS });
      if (messages.length === 0) return this.#note(`Nothing was found for: ${query}`);
      this.#note(`Search: ${query}`);
      for (const message of messages.toReversed()) this.#onMessage(message);
      const found = counted(messages.length, "message");
      this.#note(more ? `These are the newest ${found}. There are more.` : `Found ${found}.`);
    } catch (error) {
      if (this.#chat.state !== "closed") this.#note((error as Error).message);
    }
  }

  async #identify(wanted: string): Promise<void> {
    if (wanted === "") return this.#note("Which name? /name NAME");
    const answer = await this.#chat.identify(wanted);
    if (!answer.ok) this.#note(answer.message);
  }

  #who(): void {
    if (this.#present === undefined) return this.#note("Not known yet.");
    const { count, names } = this.#present;
    const people =
      names === undefined ? "too many to list" : names.join(", ") || "nobody with a name";
    this.#note(`${people} (${counted(count, "connection")})`);
  }
}

/** Like "1 message", "2 messages". */
function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
