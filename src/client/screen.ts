import { clearLine, clearScreenDown, createInterface, cursorTo, moveCursor } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import { connect, type PresenceEvent, type StateEvent } from "./client.ts";
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

/** Milliseconds that messages on their way get when one quits. */
const FAREWELL = 2000;

/**
 * Talks on a terminal: messages above, an input line below.
 *
 * @returns the exit status: 0, or 1 where a message was still not sent at the end
 */
export async function screen(options: ScreenOptions): Promise<number> {
  const { url, name, colours, input, output } = options;
  const chat = connect(url, { presence: true, ...(name === undefined ? {} : { name }) });
  const prompt = createInterface({ input, output, prompt: "> ", terminal: true });
  const quit = Promise.withResolvers<void>();
  const sending = new Set<Promise<void>>();
  let present: PresenceEvent | undefined;
  let day = "";

  /** Writes lines above the input line, which stays as it was. */
  function print(lines: string): void {
    const { line, cursor } = prompt;
    // Emptied by keys, so that readline knows how many rows it takes.
    prompt.write(null, { ctrl: true, name: "e" });
    prompt.write(null, { ctrl: true, name: "u" });
    cursorTo(output, 0);
    clearLine(output, 0);
    output.write(`${lines}\n`);
    prompt.prompt();
    prompt.write(line);
    for (let at = line.length; at > cursor; at--) prompt.write(null, { name: "left" });
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

  function onState({ state, reason }: StateEvent): void {
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
      if (!outcome.ok && outcome.code !== "closed") note(`Not sent: ${text}\n${outcome.message}`);
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

  function command(line: string): void {
    const [word = "", ...rest] = line.split(" ");
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

  prompt.on("line", (line) => {
    // What was typed comes back as a message.
    const width = Bun.stringWidth(prompt.getPrompt() + line);
    moveCursor(output, 0, -(Math.floor(width / output.columns) + 1));
    cursorTo(output, 0);
    clearScreenDown(output);
    prompt.prompt();
    if (line.startsWith("//")) send(line.slice(1));
    else if (line.startsWith("/")) command(line);
    else if (line.trim() !== "") send(line);
  });
  prompt.on("close", quit.resolve);
  prompt.on("SIGINT", quit.resolve);

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
    prompt.setPrompt(user === undefined ? "> " : `${clean(user)}> `);
    note(user === undefined ? "You have no name now: /name NAME" : `You are ${user} now.`);
  });

  if (name === undefined) note("To talk, take a name: /name NAME. All commands: /help");
  prompt.prompt();
  await quit.promise;
  await Promise.race([Promise.all(sending), Bun.sleep(FAREWELL)]);
  const unsent = sending.size;
  if (unsent > 0) note(`Not sent: ${unsent} ${unsent === 1 ? "message" : "messages"}`);
  chat.close();
  prompt.close();
  output.write("\n");
  return unsent > 0 ? 1 : 0;
}
