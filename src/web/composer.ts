import { find, make, nameElement } from "./dom.ts";
import { Naming } from "./naming.ts";
import { Writing, type WritingActions } from "./writing.ts";

export interface ComposerActions extends WritingActions {
  /** @returns why the name cannot be used, or undefined once it is */
  join(name: string): Promise<string | undefined>;
  takeOver(): void;
  /** Checks whether another tab still talks. */
  lookAgain(): void;
}

/**
 * Where one writes. Without a name it asks for one instead; if another tab talks under the name, it
 * asks what to do about that.
 */
export class Composer {
  readonly #writing: Writing;
  readonly #naming: Naming;
  readonly #elsewhere = find("elsewhere", HTMLElement);
  readonly #takeOver = find("take-over", HTMLButtonElement);
  readonly #actions: ComposerActions;
  #user = "";
  /** What Cancel returns to. */
  #back: "writing" | "elsewhere" = "writing";

  constructor(channel: string, actions: ComposerActions) {
    this.#actions = actions;
    this.#writing = new Writing(channel, actions);
    this.#naming = new Naming({
      join: (name) => actions.join(name),
      joined: () => this.#writing.focus(),
      cancel: () => this.#cancel(),
    });
    this.#takeOver.addEventListener("click", () => actions.takeOver());
    find("other-name", HTMLButtonElement).addEventListener("click", () => {
      this.askName("", { cancellable: true, focus: true });
    });
  }

  /** Whether it says that another tab talks. */
  get isElsewhere(): boolean {
    return !this.#elsewhere.hidden;
  }

  write(user: string): void {
    this.#user = user;
    this.#writing.setUser(user);
    this.#show(this.#writing.form);
    this.#writing.fit();
  }

  /** @param usual what is in the field to begin with */
  askName(
    usual: string,
    options: { fault?: string; cancellable?: boolean; focus?: boolean } = {},
  ): void {
    const { fault = "", cancellable = false, focus = false } = options;
    if (this.#naming.form.hidden) this.#back = this.isElsewhere ? "elsewhere" : "writing";
    const changes = cancellable && this.#back === "writing";
    this.#naming.ask(usual, { fault, changes, cancellable });
    this.#show(this.#naming.form);
    if (focus) this.#naming.select();
  }

  /** @param words with NAME where the name goes */
  elsewhere(user: string, words: string): void {
    const [before = "", after = ""] = words.split("NAME");
    const sentence = make("span", "", before, nameElement(user), after);
    find("elsewhere-words", HTMLElement).replaceChildren(sentence);
    this.#show(this.#elsewhere);
  }

  /** Puts a text back that was sent, above what is typed. */
  edit(said: string): void {
    this.#writing.edit(said);
    this.focus();
  }

  /** @param limit code points in a message */
  setLimit(limit: number): void {
    this.#writing.setLimit(limit);
  }

  /** Focuses the field that is shown. */
  focus(): void {
    if (this.#writing.form.hidden) this.#naming.focus();
    else this.#writing.focus();
  }

  #cancel(): void {
    if (this.#back === "writing") {
      this.write(this.#user);
      this.#writing.focus();
    } else {
      this.#show(this.#elsewhere);
      this.#takeOver.focus();
      this.#actions.lookAgain();
    }
  }

  #show(shown: HTMLElement): void {
    for (const part of [this.#writing.form, this.#naming.form, this.#elsewhere]) {
      part.hidden = part !== shown;
    }
  }
}
