import type { Composer } from "./composer.ts";
import { store } from "./store.ts";
import { createTabs, type Tabs } from "./tabs.ts";
import type { Chat } from "../client/client.ts";

/** Milliseconds that another tab gets to reload. */
const RELOAD = 2000;

export interface IdentityOptions {
  readonly channel: string;
  readonly chat: Chat;
  readonly composer: Composer;
  /** One's name has changed, or is gone. */
  readonly changed: (user: string | undefined) => void;
}

/** Under which name this tab talks, unless another tab of this browser does. */
export class Identity {
  readonly #channel: string;
  readonly #chat: Chat;
  readonly #composer: Composer;
  readonly #changed: IdentityOptions["changed"];
  readonly #tabs: Tabs;
  #stored;
  /** Whether someone else took the name. */
  #lost = false;

  constructor({ channel, chat, composer, changed }: IdentityOptions) {
    this.#channel = channel;
    this.#chat = chat;
    this.#composer = composer;
    this.#changed = changed;
    this.#stored = store.identity(channel);
    this.#tabs = createTabs(channel, {
      // A tab that reloads gets its name back.
      freed: (name) => {
        setTimeout(() => name === this.#stored?.user && void this.lookAgain(), RELOAD);
      },
    });
    chat.on("session", () => {
      if (chat.user !== undefined) this.#show();
    });
    chat.on("identity", ({ user }) => this.#onIdentity(user));
    chat.on("replaced", () => {
      this.#show();
      composer.elsewhere(this.#stored?.user ?? "", "You are talking as NAME in another tab now.");
    });
  }

  /** One's name, or the one that the tab is about to take; empty: none. */
  get user(): string {
    return this.#chat.user ?? (this.#lost ? "" : (this.#stored?.user ?? ""));
  }

  /** Takes the last name, unless another tab talks under it. */
  async resume(): Promise<void> {
    const composer = this.#composer;
    if (this.#stored === undefined) {
      composer.askName(store.name() ?? "", { focus: mayFocus() });
      return;
    }
    const { user } = this.#stored;
    composer.write(user);
    if (await this.#tabs.talks(user)) {
      composer.elsewhere(user, "You are talking as NAME in another tab.");
      return;
    }
    if (mayFocus()) composer.focus();
    this.#changed(user);
    void this.takeOver();
  }

  /** @returns why the name cannot be used, or undefined once it is */
  async join(name: string): Promise<string | undefined> {
    const answer = await this.#chat.identify(name);
    if (!answer.ok) return answer.message;
    this.#show();
    return undefined;
  }

  async takeOver(): Promise<void> {
    const user = this.#stored?.user ?? "";
    const fault = await this.join(user);
    if (fault !== undefined) this.#composer.askName(user, { fault });
  }

  /** Continues here if no other tab talks any more. */
  async lookAgain(): Promise<void> {
    const user = this.#stored?.user;
    const composer = this.#composer;
    if (user === undefined || !composer.isElsewhere) return;
    if ((await this.#tabs.talks(user)) || !composer.isElsewhere) return;
    // If the name was given up there, it is not wanted here.
    if (store.identity(this.#channel) === undefined) composer.askName(user);
    else await this.takeOver();
  }

  async leave(): Promise<void> {
    this.#stored = undefined;
    store.setIdentity(this.#channel, undefined);
    await this.#chat.leave();
    this.#show();
    this.#composer.askName(store.name() ?? "", { focus: true });
  }

  #onIdentity(user: string | undefined): void {
    this.#lost = user === undefined && this.#stored !== undefined;
    this.#show();
    if (user !== undefined || this.#stored === undefined) return;
    const fault = "Someone else has this name now. Choose another one.";
    this.#composer.askName(this.#stored.user, { fault });
  }

  #show(): void {
    const { user, session } = this.#chat;
    if (user !== undefined) this.#lost = false;
    this.#tabs.setOwn(user);
    this.#changed(user);
    if (user === undefined) return;
    this.#stored = { user, session };
    store.setIdentity(this.#channel, this.#stored);
    this.#composer.write(user);
  }
}

/** Whether a field may take the focus. On a phone, the keyboard would cover the messages. */
function mayFocus(): boolean {
  const { activeElement, body } = document;
  return activeElement === body && matchMedia("(hover: hover) and (pointer: fine)").matches;
}
