import { find } from "./dom.ts";

export interface NamingActions {
  /** @returns why the name cannot be used, or undefined once it is */
  join(name: string): Promise<string | undefined>;
  joined(): void;
  cancel(): void;
}

export interface NamingOptions {
  readonly fault: string;
  /** Whether one has a name already. */
  readonly changes: boolean;
  readonly cancellable: boolean;
}

/** The form for a name. */
export class Naming {
  readonly form = find("naming", HTMLFormElement);
  readonly #label = find("name-label", HTMLElement);
  readonly #name = find("name", HTMLInputElement);
  readonly #join = find("join", HTMLButtonElement);
  readonly #cancel = find("cancel", HTMLButtonElement);
  readonly #fault = find("name-fault", HTMLElement);
  readonly #actions: NamingActions;
  #busy = false;

  constructor(actions: NamingActions) {
    this.#actions = actions;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#name.addEventListener("input", () => this.#setFault(""));
    this.#name.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !this.#cancel.hidden) actions.cancel();
    });
    this.#cancel.addEventListener("click", () => actions.cancel());
  }

  /** @param usual what is in the field to begin with */
  ask(usual: string, { fault, changes, cancellable }: NamingOptions): void {
    this.#name.value = usual;
    this.#cancel.hidden = !cancellable;
    this.#label.textContent = changes ? "Your new name" : "Your name in this channel";
    this.#join.textContent = changes ? "Change" : "Join";
    this.#setFault(fault);
  }

  focus(): void {
    this.#name.focus();
  }

  select(): void {
    this.#name.focus();
    this.#name.select();
  }

  async #submit(): Promise<void> {
    if (this.#busy) return;
    if (this.#name.value.trim() === "") {
      this.#setFault("Type a name first.");
      return this.focus();
    }
    this.#setBusy(true);
    const fault = await this.#actions.join(this.#name.value);
    this.#setBusy(false);
    if (fault === undefined) return this.#actions.joined();
    this.#setFault(fault);
    this.select();
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    if (busy) this.form.setAttribute("aria-busy", "true");
    else this.form.removeAttribute("aria-busy");
  }

  #setFault(words: string): void {
    this.#fault.textContent = words;
    if (words === "") this.#name.removeAttribute("aria-invalid");
    else this.#name.setAttribute("aria-invalid", "true");
  }
}
