import { emitKeypressEvents } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import { connect, type PresenceEvent, type StateEvent } from "../client/client.ts";
import { edit, EMPTY, type Key, view } from "./editor.ts";
import { clean, screenLine } from "./lines.ts";

export interface ScreenOptions {
  readonly url: URL;
  readonly name: string | undefined;
  readonly colours: boolean;
  readonly input: ReadStream;
  readonly output: WriteStream;
}

const HELP = `/name NAME  take a name, or another one
/leave      give the name up
/who        who is here
/quit       leave the channel
//text      a message that begins with a slash`;

const NAMELESS = "To talk, take a name: /name NAME";

/** Milliseconds that messages on their way get when one quits. */
const FAREWELL = 2000;

/**
 * Talks on a terminal: messages above, an input line below.
 *
 * @returns the exit status: 0, or 1 where a message was still not sent at the end
 */
export async function screen(options: ScreenOptions): Promise<number> {
  const { url, name, colours, input, output } = options;
  const chat = connect(url, { presence: true, name });
  const quit = Promise.withResolvers<void>();
  const sending = new Set<Promise<void>>();
  let present: PresenceEvent | undefined;
  let day = "";
  let ended = false;
  let line = EMPTY;
  /** What was entered, and which of it is in the input line. */
  const entered: string[] = [];
  let recalled = 0;

  /** Draws the input line anew, and before it what is to stand above it. */
  function draw(above = ""): void {
    if (ended) return void output.write(above);
    const prompt = `${countdown()}${clean(chat.user ?? "")}> `;
    const start = Bun.stringWidth(prompt);
    const { text, cursor } = view(line, Math.max(output.columns - start, 2));
    output.write(`\r\x1b[K${above}${prompt}${text}\x1b[${start + cursor + 1}G`);
  }

  /** When the next try to connect is due, and what draws the seconds until then. */
  let retryAt: number | undefined;
  let ticking: ReturnType<typeof setInterval> | undefined;

  /** What stands before the prompt while there is no connection. */
  function countdown(): string {
    if (retryAt === undefined) return "";
    const seconds = Math.ceil((retryAt - Date.now()) / 1000);
    return seconds > 0 ? `(again in ${seconds} s) ` : "(again now) ";
  }

  function count(until: number | undefined): void {
    clearInterval(ticking);
    retryAt = until;
    if (until !== undefined) ticking = setInterval(() => draw(), 1000);
    draw();
  }

  function print(lines: string): void {
    draw(`${lines}\n`);
  }

  function note(sentence: string): void {
    const lines = sentence.split("\n").map(clean).join("\n");
    print(colours ? `\x1b[2m${lines}\x1b[22m` : lines);
  }

  function onMessage(message: Parameters<typeof screenLine>[0]): void {
    const date = new Date(message.timestamp * 1000).toDateString();
    if (date !== day) note(`- ${date} -`);
    day = date;
    print(screenLine(message, colours));
  }

  function onState({ state, reason, ...more }: StateEvent): void {
    // While it tries, the last words stand.
    if (state !== "connecting") count(more.retryAt);
    if (state === "open") return tell(`Connected to ${url.href}`);
    if (state === "offline") return tell("This device is offline. Waiting for the network...");
    if (state !== "waiting") return;
    const cause = reason === "stopping" ? "The server is restarting." : "There is no connection.";
    tell(`${cause} Trying again...`);
  }

  /** The state in words, when it has changed. */
  let told = "";
  function tell(sentence: string): void {
    if (sentence !== told) note(sentence);
    told = sentence;
  }

  function send(text: string): void {
    if (chat.state !== "open") note(`To be sent: ${text}`);
    const sent = chat.send(text).sent.then((outcome) => {
      sending.delete(sent);
      if (outcome.ok || outcome.code === "closed") return;
      const why = outcome.code === "not_identified" ? NAMELESS : outcome.message;
      note(`Not sent: ${text}\n${why}`);
    });
    sending.add(sent);
  }

  async function identify(wanted: string): Promise<void> {
    if (wanted === "") return note("Which name? /name NAME");
    const answer = await chat.identify(wanted);
    if (!answer.ok) note(answer.message);
  }

  function who(): void {
    if (present === undefined) return note("Not known yet.");
    const { count, names } = present;
    const people =
      names === undefined ? "too many to name" : names.join(", ") || "nobody with a name";
    note(`${people} (${count} ${count === 1 ? "connection" : "connections"})`);
  }

  function command(text: string): void {
    const [word = "", ...rest] = text.split(" ");
    switch (word) {
      case "/name":
        return void identify(rest.join(" ").trim());
      case "/leave":
        return void chat.leave();
      case "/who":
        return who();
      case "/quit":
        return quit.resolve();
      case "/help":
        return note(HELP);
      default:
        return note(`${word} is no command. ${HELP}`);
    }
  }

  function enter(text: string): void {
    if (text.startsWith("//")) send(text.slice(1));
    else if (text.startsWith("/")) command(text);
    else if (text.trim() !== "") send(text);
  }

  function recall(step: number): void {
    recalled = Math.min(Math.max(recalled + step, 0), entered.length);
    line = { before: entered[recalled] ?? "", after: "" };
  }

  function onKey(text: string | undefined, key: Key): void {
    const typed = line.before + line.after;
    if (key.ctrl === true && (key.name === "c" || (key.name === "d" && typed === ""))) {
      return quit.resolve();
    }
    if (key.name === "return" || key.name === "enter") {
      line = EMPTY;
      if (typed !== "") recalled = entered.push(typed);
      draw();
      return enter(typed);
    }
    if (key.name === "up") recall(-1);
    else if (key.name === "down") recall(1);
    else line = edit(line, text, key);
    draw();
  }

  function onResize(): void {
    draw();
  }

  chat.on("history", ({ messages }) => messages.forEach(onMessage));
  chat.on("message", onMessage);
  chat.on("gap", () => note("- messages are missing here -"));
  chat.on("state", onState);
  chat.on("presence", (event) => {
    present = event;
  });
  chat.on("error", ({ message, ref }) => {
    if (ref === undefined) note(message);
  });
  chat.on("replaced", ({ message }) => note(message));
  chat.on("identity", ({ user }) => {
    note(user === undefined ? "You have no name now." : `You are ${user} now.`);
  });

  if (name === undefined) note(`${NAMELESS}. All commands: /help`);
  emitKeypressEvents(input);
  input.setRawMode(true);
  input.on("keypress", onKey).resume();
  input.on("end", quit.resolve);
  output.on("resize", onResize);
  draw();
  await quit.promise;
  ended = true;
  input.off("keypress", onKey).pause();
  input.setRawMode(false);
  output.off("resize", onResize);
  output.write("\n");
  await Promise.race([Promise.all(sending), Bun.sleep(FAREWELL)]);
  const unsent = sending.size;
  if (unsent > 0) note(`Not sent: ${unsent} ${unsent === 1 ? "message" : "messages"}`);
  chat.close();
  return unsent > 0 ? 1 : 0;
}
