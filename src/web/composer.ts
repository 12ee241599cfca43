import { find, make, nameElement } from "./dom.ts";
import { lengthOf } from "./pieces.ts";
import { store } from "./store.ts";
import { count } from "./words.ts";

/**
 * Where one writes. In its place a name is asked for as long as one has none, or, where another tab
 * talks under it, what to do about that.
 */
export interface Composer {
  write(user: string): void;
  /** @param keep whether one has a name already, so that one can go back to writing */
  askName(usual: string, options?: { fault?: string; keep?: boolean; focus?: boolean }): void;
  elsewhere(user: string, words: string): void;
  /** Whether it says that another tab talks. */
  readonly isElsewhere: boolean;
  /** Puts a text back that was sent, before what is written already. */
  edit(said: string): void;
  setLimit(limit: number): void;
  /** To where one types. */
  focus(): void;
}

export interface ComposerActions {
  send(text: string): void;
  /** @returns why the name can not be had, or undefined once it is */
  join(name: string): Promise<string | undefined>;
  takeOver(): void;
  /** Sees whether another tab still talks. */
  lookAgain(): void;
  /** Scrolls the list by screens. */
  page(screens: number): void;
}

/** How much of the limit may be left before it is shown: a tenth, and 200 at most. */
const NEAR = { part: 0.1, most: 200 };

export function createComposer(channel: string, actions: ComposerActions): Composer {
  const writing = find("writing", HTMLFormElement);
  const text = find("text", HTMLTextAreaElement);
  const sender = find("send", HTMLButtonElement);
  const hint = find("limit", HTMLElement);
  const naming = find("naming", HTMLFormElement);
  const label = find("name-label", HTMLElement);
  const name = find("name", HTMLInputElement);
  const joiner = find("join", HTMLButtonElement);
  const keeper = find("keep", HTMLButtonElement);
  const fault = find("name-fault", HTMLElement);
  const other = find("elsewhere", HTMLElement);
  const taker = find("take-over", HTMLButtonElement);
  let limit = Number.POSITIVE_INFINITY;
  let user = "";
  let asking = false;
  /** Where one goes back to when one takes no other name. */
  let back: HTMLElement = writing;

  function only(shown: HTMLElement): void {
    for (const part of [writing, naming, other]) part.hidden = part !== shown;
  }

  function fit(): void {
    text.style.height = "auto";
    // The borders are no part of the height of what scrolls.
    const borders = text.offsetHeight - text.clientHeight;
    text.style.height = `${text.scrollHeight + borders}px`;
    const left = limit - lengthOf(text.value);
    const near = left <= Math.min(NEAR.most, NEAR.part * limit);
    const characters = count(Math.abs(left), "character", "characters");
    hint.textContent = near ? `${characters} ${left < 0 ? "too many" : "left"}` : "";
    hint.classList.toggle("fault", left < 0);
    if (left < 0) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    sender.disabled = left < 0 || text.value.trim() === "";
  }

  function setFault(words: string): void {
    fault.textContent = words;
    if (words === "") name.removeAttribute("aria-invalid");
    else name.setAttribute("aria-invalid", "true");
  }

  text.value = store.draft(channel);
  text.addEventListener("input", () => {
    store.setDraft(channel, text.value);
    fit();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      writing.requestSubmit();
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      actions.page(event.key === "PageUp" ? -1 : 1);
    }
  });
  writing.addEventListener("submit", (event) => {
    event.preventDefault();
    if (sender.disabled) return;
    const said = text.value;
    text.value = "";
    store.setDraft(channel, "");
    fit();
    text.focus();
    actions.send(said);
  });

  naming.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    if (name.value.trim() === "") {
      setFault("Type a name first.");
      name.focus();
      return;
    }
    asking = true;
    naming.setAttribute("aria-busy", "true");
    const refused = await actions.join(name.value);
    asking = false;
    naming.removeAttribute("aria-busy");
    if (refused === undefined) {
      text.focus();
      return;
    }
    setFault(refused);
    name.focus();
    name.select();
  });
  name.addEventListener("input", () => setFault(""));
  name.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !keeper.hidden) keeper.click();
  });
  keeper.addEventListener("click", () => {
    if (back === writing) composer.write(user);
    only(back);
    (back === writing ? text : taker).focus();
    if (back === other) actions.lookAgain();
  });
  taker.addEventListener("click", () => actions.takeOver());
  find("other-name", HTMLButtonElement).addEventListener("click", () => {
    composer.askName("", { keep: true, focus: true });
  });

  const composer: Composer = {
    write(next) {
      user = next;
      text.placeholder = `Write as ${user}`;
      only(writing);
      fit();
    },
    askName(usual, { fault: words = "", keep = false, focus = false } = {}) {
      if (naming.hidden) back = other.hidden ? writing : other;
      name.value = usual;
      keeper.hidden = !keep;
      const changes = keep && back === writing;
      label.textContent = changes ? "Your new name" : "Your name, to talk here";
      joiner.textContent = changes ? "Change" : "Join";
      setFault(words);
      only(naming);
      if (focus) {
        name.focus();
        name.select();
      }
    },
    elsewhere(who, words) {
      const [before = "", after = ""] = words.split("NAME");
      const shown = nameElement(who);
      find("elsewhere-words", HTMLElement).replaceChildren(make("span", "", before, shown, after));
      only(other);
    },
    get isElsewhere() {
      return !other.hidden;
    },
    edit(said) {
      text.value = text.value === "" ? said : `${said}\n${text.value}`;
      store.setDraft(channel, text.value);
      fit();
      composer.focus();
    },
    setLimit(next) {
      limit = next;
      fit();
    },
    focus: () => (writing.hidden ? name : text).focus(),
  };
  return composer;
}
