import { type Alerts, createAlerts } from "./alerts.ts";
import { pathOf, socketUrl } from "./channel.ts";
import { Composer } from "./composer.ts";
import { eachFrame, find } from "./dom.ts";
import { entryOf } from "./entries.ts";
import { bindGo } from "./go.ts";
import { Identity } from "./identity.ts";
import { List } from "./list.ts";
import { createLive } from "./live.ts";
import { bindMenu } from "./menu.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { Pages } from "./pages.ts";
import { createPeople } from "./people.ts";
import { mentions } from "./pieces.ts";
import { Removals } from "./removals.ts";
import { Search } from "./search.ts";
import { createStatus } from "./status.ts";
import { store } from "./store.ts";
import { createUnread, firstNew, type Unread } from "./unread.ts";
import { type Chat, type ChatMessage, connect } from "../client/client.ts";
import { PAGE } from "../protocol/limits.ts";

/** The chat page of one channel. */
export function startChat(channel: string): void {
  if (pathOf(channel) !== undefined) store.visited(channel);
  find("channel", HTMLElement).textContent = channel;
  bindGo(channel);
  new ChatPage(channel).start();
}

/** Connects the client library with the parts of the page. */
class ChatPage {
  readonly #channel: string;
  readonly #chat: Chat;
  readonly #live = createLive();
  readonly #alerts: Alerts;
  readonly #unread: Unread;
  readonly #list: List;
  readonly #pages: Pages;
  readonly #removals: Removals;
  readonly #search: Search;
  readonly #outbox: Outbox;
  readonly #composer: Composer;
  readonly #identity: Identity;
  readonly #menu;
  #resumed: Promise<void> = Promise.resolve();
  /** Once a frame, since it can be slow. */
  readonly #saveSeen = eachFrame(() => store.setSeen(this.#channel, this.#unread.seen));

  constructor(channel: string) {
    this.#channel = channel;
    this.#alerts = createAlerts(channel);
    this.#unread = createUnread(store.seen(channel));
    const session = store.identity(channel)?.session;
    const chat = connect(socketUrl(location), { presence: true, history: PAGE.default, session });
    this.#chat = chat;
    this.#pages = new Pages(chat, (entries, to) => {
      this.#list.add(entries, to);
      this.#showMark();
    });
    this.#removals = new Removals(chat, (reason) => {
      this.#list.refresh();
      if (reason !== undefined) this.#live.say(reason);
    });
    this.#list = this.#makeList();
    this.#search = new Search({ search: (query) => chat.search(query), goTo: this.#goTo });
    this.#outbox = createOutbox(
      chat,
      () => this.#identity.user,
      (id) => this.#pages.present.entries.some((entry) => entry.id === id),
      () => this.#list.setOutgoing(this.#outbox.outgoing),
    );
    this.#composer = this.#makeComposer();
    this.#menu = bindMenu({
      rename: () => this.#composer.askName(chat.user ?? "", { cancellable: true, focus: true }),
      leave: () => void this.#identity.leave(),
    });
    this.#identity = new Identity({
      channel,
      chat,
      composer: this.#composer,
      changed: (user) => {
        this.#list.setUser(user);
        this.#menu.setUser(user);
        this.#outbox.refresh();
      },
    });
  }

  start(): void {
    this.#listen();
    document.addEventListener("visibilitychange", () => this.#look());
    // A tab that crashed did not say that it closed.
    window.addEventListener("focus", () => void this.#identity.lookAgain());
    window.addEventListener("beforeunload", (event) => {
      const unsent = this.#removals.unsent && this.#chat.state !== "open";
      const waits = this.#outbox.outgoing.some(({ state }) => state !== "sent");
      if (unsent || waits) event.preventDefault();
    });
    this.#resumed = this.#identity.resume();
  }

  #makeList(): List {
    return new List(this.#pages, {
      retry: (outgoing) => this.#outbox.retry(outgoing),
      edit: (outgoing) => {
        this.#outbox.discard(outgoing);
        this.#composer.edit(outgoing.text);
      },
      discard: (outgoing) => this.#outbox.discard(outgoing),
      fateOf: ({ id }) => (id === undefined ? undefined : this.#removals.of(id)),
      remove: (id) => this.#removals.begin(id),
      undo: () => this.#removals.undo(),
      caughtUp: () => this.#look(),
    });
  }

  #makeComposer(): Composer {
    return new Composer(this.#channel, {
      send: (text) => {
        this.#unread.clear();
        this.#showMark();
        this.#list.toLatest();
        void this.#resumed.then(() => this.#outbox.send(text));
      },
      join: (name) => this.#identity.join(name),
      takeOver: () => void this.#identity.takeOver().then(() => this.#composer.focus()),
      lookAgain: () => void this.#identity.lookAgain(),
      page: (screens) => this.#list.page(screens),
    });
  }

  #listen(): void {
    const chat = this.#chat;
    const status = createStatus(this.#live.say);
    const people = createPeople();
    chat.on("history", (page) => {
      this.#pages.begin(page);
      this.#look();
    });
    chat.on("message", (message) => this.#onMessage(message));
    chat.on("removed", ({ id }) => {
      this.#pages.erase(id);
      this.#search.remove(id);
      this.#live.forget();
    });
    chat.on("gap", () => {
      this.#pages.gap = true;
      this.#list.refresh();
    });
    chat.on("presence", ({ count, names }) => people.set(count, names));
    chat.on("state", (event) => {
      status.set(event);
      this.#outbox.refresh();
    });
    chat.on("limits", ({ text }) => this.#composer.setLimit(text));
    chat.on("error", ({ message, ref }) => {
      if (ref === undefined) console.warn(message);
    });
  }

  #onMessage(message: ChatMessage): void {
    const entry = entryOf(message);
    const { user } = this.#chat;
    const own = message.ref !== undefined || message.user === user;
    const watched = this.#list.following && !document.hidden;
    this.#outbox.seen(entry, message.ref);
    this.#pages.arrived(entry);
    const { after } = this.#unread;
    this.#unread.arrived(entry, { own, watched, missed: message.missed === true });
    if (this.#unread.after !== after) this.#showMark();
    this.#saveSeen();
    if (own) return;
    this.#live.say(`${entry.user}: ${entry.text}`);
    this.#alerts.arrived(entry, mentions(entry.text, user));
  }

  /** Goes to a message that a search has found. @returns whether it is still there */
  readonly #goTo = async (id: number): Promise<boolean> => {
    const { shown } = this.#pages;
    const entry = await this.#pages.goTo(id);
    if (entry === undefined) return false;
    this.#search.leave();
    this.#list.goTo(entry, shown !== this.#pages.shown);
    return true;
  };

  /** What is in view is not new the next time. */
  #look(): void {
    if (document.hidden || !this.#list.following) return;
    this.#unread.look(this.#pages.present.entries.at(-1)?.id ?? 0);
    this.#saveSeen();
  }

  #showMark(): void {
    const { entries, older } = this.#pages.present;
    const { after } = this.#unread;
    const mark = firstNew(entries, after, older);
    const first = entries[0]?.id ?? 0;
    this.#list.setFresh(mark, mark === undefined && first > (after ?? Infinity));
  }
}
