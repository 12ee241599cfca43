import type { WriteStream } from "node:tty";
import { edit, EMPTY, type Key, view } from "./editor.ts";

/** The input line at the bottom of a terminal, with a countdown while there is no connection. */
export class Prompt {
  readonly #output: WriteStream;
  readonly #user: () => string;
  #line = EMPTY;
  /** What was entered before, and which of it is in the input line. */
  readonly #entered: string[] = [];
  #recalled = 0;
  #ended = false;
  /** When the next attempt to connect is due, and what redraws the seconds until then. */
  #retryAt: number | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;

  /** @param user the name that is shown; empty: none */
  constructor(output: WriteStream, user: () => string) {
    this.#output = output;
    this.#user = user;
  }

  get typed(): string {
    return this.#line.before + this.#line.after;
  }

  /** Redraws the input line. @param above what to write above it */
  draw(above = ""): void {
    if (this.#ended) return void this.#output.write(above);
    const prompt = `${this.#countdown()}${this.#user()}> `;
    const start = Bun.stringWidth(prompt);
    const { text, cursor } = view(this.#line, Math.max(this.#output.columns - start, 2));
    this.#output.write(`\r\x1b[K${above}${prompt}${text}\x1b[${start + cursor + 1}G`);
  }

  print(lines: string): void {
    this.draw(`${lines}\n`);
  }

  /** Applies a key that edits the line or recalls an earlier one. */
  press(text: string | undefined, key: Key): void {
    if (key.name === "up") this.#recall(-1);
    else if (key.name === "down") this.#recall(1);
    else this.#line = edit(this.#line, text, key);
    this.draw();
  }

  /** Empties the line. @returns what was in it */
  take(): string {
    const { typed } = this;
    this.#line = EMPTY;
    if (typed !== "") this.#recalled = this.#entered.push(typed);
    this.draw();
    return typed;
  }

  /** @param retryAt as of `Date.now()`; undefined: no countdown */
  countDown(retryAt: number | undefined): void {
    clearInterval(this.#ticking);
    this.#retryAt = retryAt;
    if (retryAt !== undefined) this.#ticking = setInterval(() => this.draw(), 1000);
    this.draw();
  }

  /** Leaves the line as it is. What is printed later stands below it. */
  end(): void {
    this.#ended = true;
    this.#output.write("\n");
  }

  #countdown(): string {
    if (this.#retryAt === undefined) return "";
    const seconds = Math.ceil((this.#retryAt - Date.now()) / 1000);
    return seconds > 0 ? `(retry in ${seconds} s) ` : "(retrying) ";
  }

  #recall(step: number): void {
    this.#recalled = Math.min(Math.max(this.#recalled + step, 0), this.#entered.length);
    this.#line = { before: this.#entered[this.#recalled] ?? "", after: "" };
  }
}
