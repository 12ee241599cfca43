import { type ChatMessage, connect } from "../client/client.ts";
import { createAlerts } from "./alerts.ts";
import { pathOf, socketUrl } from "./channel.ts";
import { createComposer } from "./composer.ts";
import { eachFrame, find } from "./dom.ts";
import type { Entry } from "./entries.ts";
import { bindGo } from "./go.ts";
import { createList } from "./list.ts";
import { createLive } from "./live.ts";
import { bindMenu } from "./menu.ts";
import { createOutbox } from "./outbox.ts";
import { createPeople } from "./people.ts";
import { mentions } from "./pieces.ts";
import { createStatus } from "./status.ts";
import { store } from "./store.ts";
import { createTabs } from "./tabs.ts";
import { createUnread, firstNew } from "./unread.ts";

/** How many messages are asked for at once. */
const PAGE = 50;
/** Milliseconds that another tab gets to be reloaded. */
const RELOAD = 2000;

/** The chat page of one channel: the client library on one side, the parts of the page on the other. */
export function startChat(channel: string): void {
  if (pathOf(channel) !== undefined) store.visited(channel);
  find("channel", HTMLElement).textContent = channel;
  bindGo(channel);

  let identity = store.identity(channel);
  /** Whether the name went to somebody else, so that it is not one's own any more. */
  let lost = false;
  let more = false;
  let loading = false;
  let begun = false;
  const unread = createUnread(store.seen(channel));
  /** Once a frame, since it can be slow. */
  const saveSeen = eachFrame(() => store.setSeen(channel, unread.seen));
  const chat = connect(socketUrl(location), {
    presence: true,
    history: PAGE,
    session: identity?.session,
  });
  const live = createLive();
  const status = createStatus(live.say);
  const alerts = createAlerts(channel);
  const people = createPeople();
  const tabs = createTabs(channel, {
    // A tab that is reloaded gets its name back.
    freed: (name) => void setTimeout(() => name === identity?.user && void lookAgain(), RELOAD),
  });
  const list = createList({
    older: () => void loadOlder(),
    hasOlder: () => more && !loading,
    beginning,
    retry: (waiting) => outbox.retry(waiting),
    edit(waiting) {
      outbox.discard(waiting);
      composer.edit(waiting.text);
    },
    discard: (waiting) => outbox.discard(waiting),
    caughtUp: look,
  });
  const outbox = createOutbox(
    chat,
    () => chat.user ?? (lost ? "" : (identity?.user ?? "")),
    (id) => list.entries.some((entry) => entry.id === id),
    () => list.setWaiting(outbox.waiting),
  );
  const composer = createComposer(channel, {
    send(text) {
      unread.clear();
      showMark();
      list.toLatest();
      void resumed.then(() => outbox.send(text));
    },
    join,
    takeOver: () => void takeOver().then(composer.focus),
    lookAgain: () => void lookAgain(),
    page: (screens) => list.page(screens),
  });
  const menu = bindMenu({
    rename: () => composer.askName(chat.user ?? "", { keep: true, focus: true }),
    leave: () => void leave(),
  });

  function beginning(): string {
    const [first] = list.entries;
    if (!begun) return "";
    if (loading) return "Loading earlier messages…";
    if (first === undefined) {
      return outbox.waiting.length > 0
        ? ""
        : "Nobody has said anything yet. Say hello: everyone at this address reads it.";
    }
    if (more) return "";
    const trimmed = first.prev !== undefined && first.prev !== 0;
    return trimmed ? "Nothing earlier is kept here." : "The talk begins here.";
  }

  async function loadOlder(): Promise<void> {
    const before = list.entries.find(({ id }) => id !== undefined)?.id;
    if (before === undefined) return;
    loading = true;
    list.add([]);
    try {
      const page = await chat.history({ before, limit: PAGE });
      more = page.more && page.messages.length > 0;
      loading = false;
      list.add(page.messages.map(entryOf));
      showMark();
    } catch (error) {
      // It is asked for again with the next scroll.
      console.warn("Earlier messages could not be had.", error);
      loading = false;
      list.add([]);
    }
  }

  /** What was seen is not new the next time. */
  function look(): void {
    if (document.hidden || !list.following) return;
    unread.look(list.entries.at(-1)?.id ?? 0);
    saveSeen();
  }

  function showMark(): void {
    const mark = firstNew(list.entries, unread.after, more);
    const first = list.entries[0]?.id ?? 0;
    list.setFresh(mark, mark === undefined && first > (unread.after ?? Infinity));
  }

  function showIdentity(): void {
    const { user } = chat;
    list.setUser(user);
    menu.setUser(user);
    tabs.setOwn(user);
    if (user !== undefined) lost = false;
    outbox.refresh();
    if (user === undefined) return;
    identity = { user, session: chat.session };
    store.setIdentity(channel, identity);
    composer.write(user);
  }

  async function join(name: string): Promise<string | undefined> {
    const answer = await chat.identify(name);
    if (!answer.ok) return answer.message;
    showIdentity();
    return undefined;
  }

  /** Asks for the name of before, unless another tab of this browser talks under it. */
  async function resume(): Promise<void> {
    if (identity === undefined) {
      composer.askName(store.name() ?? "", { focus: mayFocus() });
      return;
    }
    const { user } = identity;
    composer.write(user);
    if (await tabs.talks(user)) {
      composer.elsewhere(user, "You talk as NAME in another tab.");
      return;
    }
    if (mayFocus()) composer.focus();
    list.setUser(user);
    void takeOver();
  }

  /** Goes on here where no other tab talks any more. */
  async function lookAgain(): Promise<void> {
    const user = identity?.user;
    if (user === undefined || !composer.isElsewhere) return;
    if ((await tabs.talks(user)) || !composer.isElsewhere) return;
    // Whoever gave the name up there does not want it back here.
    if (store.identity(channel) === undefined) composer.askName(user);
    else await takeOver();
  }

  async function takeOver(): Promise<void> {
    const user = identity?.user ?? "";
    const fault = await join(user);
    if (fault !== undefined) composer.askName(user, { fault });
  }

  async function leave(): Promise<void> {
    identity = undefined;
    store.setIdentity(channel, undefined);
    await chat.leave();
    showIdentity();
    composer.askName(store.name() ?? "", { focus: true });
  }

  chat.on("history", (page) => {
    begun = true;
    more = page.more;
    list.add(page.messages.map(entryOf));
    showMark();
    look();
  });
  chat.on("message", (message) => {
    const entry = entryOf(message);
    const own = message.ref !== undefined || message.user === chat.user;
    const watched = list.following && !document.hidden;
    outbox.seen(entry, message.ref);
    list.add([entry]);
    const { after } = unread;
    unread.arrived(entry, { own, watched, missed: message.missed === true });
    if (unread.after !== after) showMark();
    saveSeen();
    if (own) return;
    live.say(`${entry.user}: ${entry.text}`);
    alerts.arrived(entry, mentions(entry.text, chat.user));
  });
  chat.on("gap", ({ after, next }) => {
    if (next === undefined) list.setGapAfter(after);
  });
  chat.on("presence", ({ count, names }) => people.set(count, names));
  chat.on("state", (event) => {
    status.set(event);
    outbox.refresh();
  });
  chat.on("limits", ({ text }) => composer.setLimit(text));
  chat.on("session", showSession);
  chat.on("identity", ({ user }) => {
    lost = user === undefined && identity !== undefined;
    showIdentity();
    if (user !== undefined || identity === undefined) return;
    const fault = "Somebody else has this name now. Choose another one.";
    composer.askName(identity.user, { fault });
  });
  chat.on("replaced", () => {
    showIdentity();
    composer.elsewhere(identity?.user ?? "", "You went on as NAME in another tab.");
  });
  chat.on("error", ({ message, ref }) => {
    if (ref === undefined) console.warn(message);
  });

  function showSession(): void {
    if (chat.user !== undefined) showIdentity();
  }

  document.addEventListener("visibilitychange", look);
  // A tab that crashed has told nobody.
  window.addEventListener("focus", () => void lookAgain());
  window.addEventListener("beforeunload", (event) => {
    if (outbox.waiting.some(({ state }) => state !== "sent")) event.preventDefault();
  });
  const resumed = resume();
}

/** Whether one may be put where one types. On a phone, the keyboard would cover what one came to read. */
function mayFocus(): boolean {
  const { activeElement, body } = document;
  return activeElement === body && matchMedia("(hover: hover) and (pointer: fine)").matches;
}

function entryOf({ text, user, timestamp, id, prev }: ChatMessage): Entry {
  const time = id === undefined ? timestamp * 1000 : id / 1000;
  return { text, user, time, id, prev };
}
