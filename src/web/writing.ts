import { find } from "./dom.ts";
import { store } from "./store.ts";
import { count } from "./words.ts";
import { codePoints } from "../protocol/text.ts";

/** How many characters may be left before they are counted: a tenth of the limit, at most 200. */
const NEAR = { part: 0.1, most: 200 };

export interface WritingActions {
  send(text: string): void;
  /** Scrolls the list by screens. */
  page(screens: number): void;
}

/** The field for a message. What is typed survives a reload. */
export class Writing {
  readonly form = find("writing", HTMLFormElement);
  readonly #text = find("text", HTMLTextAreaElement);
  readonly #send = find("send", HTMLButtonElement);
  readonly #hint = find("limit", HTMLElement);
  readonly #channel: string;
  readonly #actions: WritingActions;
  #limit = Number.POSITIVE_INFINITY;

  constructor(channel: string, actions: WritingActions) {
    this.#channel = channel;
    this.#actions = actions;
    this.#text.value = store.draft(channel);
    this.#text.addEventListener("input", () => this.#set(this.#text.value));
    this.#text.addEventListener("keydown", (event) => this.#onKey(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param limit code points in a message */
  setLimit(limit: number): void {
    this.#limit = limit;
    this.fit();
  }

  setUser(user: string): void {
    this.#text.placeholder = `Write as ${user}`;
  }

  /** Puts a text back that was sent, above what is typed. */
  edit(said: string): void {
    const { value } = this.#text;
    this.#set(value === "" ? said : `${said}\n${value}`);
  }

  focus(): void {
    this.#text.focus();
  }

  /** Makes the field as high as its text, and counts what is left. */
  fit(): void {
    const text = this.#text;
    text.style.height = "auto";
    // The borders are not part of the height of what scrolls.
    const borders = text.offsetHeight - text.clientHeight;
    text.style.height = `${text.scrollHeight + borders}px`;
    const left = this.#limit - codePoints(text.value);
    const near = left <= Math.min(NEAR.most, NEAR.part * this.#limit);
    const characters = count(Math.abs(left), "character", "characters");
    this.#hint.textContent = near ? `${characters} ${left < 0 ? "too many" : "left"}` : "";
    this.#hint.classList.toggle("fault", left < 0);
    if (left < 0) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    this.#send.disabled = left < 0 || text.value.trim() === "";
  }

  #set(value: string): void {
    if (this.#text.value !== value) this.#text.value = value;
    store.setDraft(this.#channel, value);
    this.fit();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.form.requestSubmit();
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      this.#actions.page(event.key === "PageUp" ? -1 : 1);
    }
  }

  #submit(): void {
    if (this.#send.disabled) return;
    const said = this.#text.value;
    this.#set("");
    this.focus();
    this.#actions.send(said);
  }
}
