import type {
  Chat,
  ChatError,
  ChatMessage,
  ChatOptions,
  ChatState,
  HistoryPage,
  Identified,
  PresenceEvent,
  Sent,
  StateEvent,
} from "./api.ts";
import { backoff } from "./backoff.ts";
import { createEvents } from "./events.ts";
import type { HistoryFrame, MessageFields, ServerFrame } from "./frames.ts";
import { createInbox } from "./inbox.ts";
import { type Ask, awaited, createLane, free, type Lane, prefer, restart, settle } from "./lane.ts";
import { createLink } from "./link.ts";
import { type Limits, pace } from "./pace.ts";
import { roster } from "./roster.ts";
import type { Command } from "../protocol/inbound.ts";

export type * from "./api.ts";

/** After these, the same frame may work later. */
const LATER = new Set(["rate_limited", "unavailable", "unknown", "busy"]);
const CLOSED = { type: "error", code: "closed", message: "This chat is closed." } as const;
const TOO_LONG = {
  type: "error",
  code: "text_too_long",
  message: 'This "text" is longer than the server allows.',
} as const;
const NO_PAGE: HistoryFrame = { type: "history", messages: [], gap: "false", more: "false" };
/** What is assumed of a server that does not tell its limits. */
const PLAIN_LIMITS: Limits = { rate: 10, burst: 10 };

/**
 * Enters a channel and stays in it until close(): it connects again after every loss, resumes where
 * it was, takes its name back and sends again what was not acknowledged.
 *
 * @param url the channel, like `wss://chat.example/fishing`; http and https do as well, and a page
 *   may leave its own origin out
 * @throws where the URL is none for a WebSocket, or its path can be no channel: it is empty, or no
 *   percent-encoded UTF-8
 */
export function connect(url: string | URL, options: ChatOptions = {}): Chat {
  const { location } = globalThis as { location?: { href: string } };
  const target = new URL(url, location?.href);
  target.protocol = target.protocol.replace("http", "ws");
  target.hash = "";
  if (!mayBeChannel(target.pathname)) throw new TypeError(`${target.href} names no channel.`);
  const { random = Math.random, webSocket: Socket = WebSocket } = options;
  const { on, emit } = createEvents();
  const refs = Math.random().toString(36).slice(2);
  let refCount = 0;

  let state: ChatState = "connecting";
  let plain = false;
  let limits = PLAIN_LIMITS;
  /** Code points in a message. */
  let textLimit = Infinity;
  let fullAt = 0;
  let paceTimer: ReturnType<typeof setTimeout> | undefined;
  /** How often the server has said "later", in a row. */
  let refusals = 0;

  let user: string | undefined;
  let session = options.session;
  /** Whether the server knows the name on this connection. */
  let granted = false;
  /** Whether the name went to another, so that messages wait for the next one. */
  let lost = false;

  let present: PresenceEvent | undefined;
  /** The refs of own messages that were acknowledged before they came. */
  const acknowledged = new Map<number, string>();

  const names = createLane();
  const pages = createLane();
  const messages = createLane();
  const lanes = [names, pages, messages];
  const inbox = createInbox({
    history: options.history ?? 50,
    after: options.after,
    ask: askPage,
    onFirst: (page) => emit("history", toPage(page)),
    onMessage: deliver,
    onGap: (gap) => emit("gap", gap),
  });
  const link = createLink({ url: target, Socket, random, onFrame: receive, onState: setState });

  function setState(next: ChatState, more: Partial<StateEvent> = {}): void {
    state = next;
    emit("state", { state, plain, ...more });
  }

  function setUser(next: string | undefined): void {
    if (next === user) return;
    user = next;
    emit("identity", { user });
  }

  // What goes out

  /** Sends what may be sent now. */
  function pump(): void {
    // The name comes first, so that no message is refused for want of it.
    const named = names.asks.length === 0 && !lost && (granted || user === undefined);
    for (const lane of named ? [pages, messages] : [names, pages]) {
      const ask = lane.asks[0];
      if (state !== "open" || ask === undefined || lane.busy) continue;
      // A frame far too long would cost the connection, again and again.
      if ((textOf(ask)?.length ?? 0) > 2 * textLimit) return answered(lane, TOO_LONG);
      const room = pace(limits, fullAt, performance.now());
      if ("wait" in room) {
        clearTimeout(paceTimer);
        paceTimer = setTimeout(pump, room.wait);
        return;
      }
      fullAt = room.fullAt;
      lane.busy = true;
      ask.as = user;
      write(ask.frame);
    }
  }

  function write(frame: Command): void {
    let fields = {};
    if (frame.type === "identity" && !plain) fields = { session };
    if (frame.type === "message" && plain) fields = { ref: undefined };
    link.write(JSON.stringify({ ...frame, ...fields }));
  }

  function ask(lane: Lane, frame: Command, settle: Ask["settle"]): void {
    if (state === "closed") return settle(CLOSED);
    lane.asks.push({ frame, settle });
    pump();
  }

  function answered(lane: Lane, answer: ServerFrame): void {
    refusals = 0;
    settle(lane, answer);
    pump();
  }

  /** The first ask was refused, but may work later. */
  function later(lane: Lane): void {
    clearTimeout(lane.timer);
    lane.timer = setTimeout(
      () => {
        free(lane);
        pump();
      },
      backoff(refusals++, random),
    );
  }

  // What comes in

  function receive(frame: ServerFrame): void {
    switch (frame.type) {
      case "connection":
        return welcome(frame);
      case "heartbeat":
        write({ type: "heartbeat" });
        link.beat();
        if (frame.authenticated === "false" && granted) reclaim();
        return;
      case "identity":
        return identity(frame);
      case "message":
        return inbox.message(frame);
      case "ack":
        if (refOf(awaited(messages)) !== frame.ref) return;
        if (frame.id > inbox.last) acknowledged.set(frame.id, frame.ref);
        return answered(messages, frame);
      case "error":
        return refused(frame);
      case "history":
        if (awaited(pages)?.frame.type === "history") answered(pages, frame);
        return;
      case "presence":
        present = roster(present, frame);
        emit("presence", present);
        if (awaited(pages)?.frame.type === "presence") answered(pages, frame);
    }
  }

  function welcome(frame: ServerFrame & { type: "connection" }): void {
    // Only who knows the subprotocol tells the last id, whatever the handshake said.
    plain = frame.last === undefined;
    limits = frame.limits ?? PLAIN_LIMITS;
    textLimit = frame.limits?.text ?? Infinity;
    fullAt = refusals = 0;
    granted = false;
    present = undefined;
    for (const lane of lanes) restart(lane);
    link.entered(frame.heartbeat);

    setState("open");
    if (frame.limits !== undefined) emit("limits", frame.limits);
    if (user !== undefined) reclaim();
    inbox.enter(frame.last);
    if (plain) while (pages.asks.length > 0) settle(pages, NO_PAGE);
    else if (options.presence === true) {
      pages.asks.push({ frame: { type: "presence" }, settle: unasked, own: true });
    }
    pump();
  }

  /** An error frame: to whom it belongs, and whether it is the last word. */
  function refused(frame: ServerFrame & { type: "error" }): void {
    const lane = plain || frame.ref !== undefined ? messages : pages;
    const first = awaited(lane);
    if (first === undefined || (!plain && refOf(first) !== frame.ref)) return emitError(frame);
    if (LATER.has(frame.code)) return later(lane);
    if (frame.code === "not_identified" && (user !== undefined || lost)) {
      // The name was lost before the message came.
      free(lane);
      if (granted) reclaim();
      return pump();
    }
    answered(lane, frame);
  }

  function emitError({ code, message, ref }: ChatError): void {
    emit("error", { code, message, ...(ref === undefined ? {} : { ref }) });
  }

  // The name

  /** Asks again for the name that one had. */
  function reclaim(): void {
    granted = false;
    const frame: Command = { type: "identity", user: user ?? "" };
    prefer(names, { frame, settle: unasked, own: true });
    pump();
  }

  /** The answer to what nobody awaits the answer of. */
  function unasked(answer: ServerFrame): void {
    if (answer.type === "error" && state !== "closed") emitError(answer);
  }

  function identity(frame: ServerFrame & { type: "identity" }): void {
    const first = awaited(names);
    if (frame.session !== undefined && frame.session !== session) {
      session = frame.session;
      emit("session", { session });
    }
    const { code = "name_refused", message = "This name is taken, or it is none." } = frame;
    if (code === "replaced" || (first === undefined && frame.success === "false")) {
      loseName();
      emit("replaced", { message });
    } else if (first === undefined) {
      return;
    } else if (frame.success === "true") {
      const { user: asked = "" } = first.frame as { user?: string };
      const shown = frame.user ?? asked.normalize("NFKC").trim();
      granted = shown !== "";
      lost = false;
      setUser(granted ? shown : undefined);
      answered(names, { type: "identity", success: "true", user: shown });
    } else if (LATER.has(code)) {
      later(names);
    } else {
      if (first.own === true) loseName();
      answered(names, { type: "error", code, message });
    }
  }

  function loseName(): void {
    lost ||= user !== undefined;
    granted = false;
    setUser(undefined);
  }

  // The messages

  function deliver(fields: MessageFields, missed: boolean): void {
    const first = messages.asks[0];
    const own = first?.as === fields.user && textOf(first) === fields.text;
    const known = fields.id === undefined ? undefined : acknowledged.get(fields.id);
    const ref = known ?? (own ? refOf(first) : undefined);
    if (fields.id !== undefined) acknowledged.delete(fields.id);
    emit("message", { ...toMessage(fields, ref), ...(missed ? { missed } : {}) });
    if (plain && own && messages.busy) answered(messages, { type: "message", ...fields });
  }

  /** A page of history for the inbox, before all that others have asked for. */
  function askPage(query: { after?: number; limit: number }, then: (page?: HistoryFrame) => void) {
    const settle = (answer: ServerFrame) => {
      if (answer.type === "history") return then(answer);
      unasked(answer);
      then();
    };
    prefer(pages, { frame: { type: "history", ...query }, settle, own: true });
    pump();
  }

  if (options.name !== undefined) ask(names, { type: "identity", user: options.name }, unasked);
  link.open();

  return {
    get state() {
      return state;
    },
    get user() {
      return user;
    },
    get last() {
      return inbox.last;
    },
    get session() {
      return session;
    },
    get plain() {
      return plain;
    },

    on,

    identify(name) {
      return new Promise<Identified>((resolve) => {
        ask(names, { type: "identity", user: name }, (answer) => {
          if (answer.type !== "error") resolve({ ok: true, user: user ?? name });
          else resolve({ ok: false, code: answer.code, message: answer.message });
        });
      });
    },

    send(text) {
      const ref = `${refs}-${refCount++}`;
      const sent = new Promise<Sent>((resolve) => {
        ask(messages, { type: "message", text, ref }, (answer) => {
          if (answer.type === "ack") resolve({ ok: true, id: answer.id });
          else if (answer.type !== "error") resolve({ ok: true });
          else {
            const { code, message } = answer;
            resolve({ ok: false, code, message });
            if (state !== "closed") emitError({ code, message, ref });
          }
        });
      });
      return { ref, sent };
    },

    leave() {
      granted = lost = false;
      setUser(undefined);
      if (!names.busy) restart(names);
      return new Promise<void>((resolve) => {
        ask(names, { type: "identity", user: "" }, () => {
          resolve();
          // The plain protocol knows no other way.
          if (plain && state === "open") link.reopen();
        });
      });
    },

    history(query) {
      if (plain) return Promise.resolve({ messages: [], gap: false, more: false });
      return new Promise<HistoryPage>((resolve, reject) => {
        ask(pages, { type: "history", ...query }, (answer) => {
          if (answer.type === "history") resolve(toPage(answer));
          else reject(new Error(answer.type === "error" ? answer.message : answer.type));
        });
      });
    },

    close() {
      if (state === "closed") return;
      link.close();
      clearTimeout(paceTimer);
      setState("closed");
      for (const lane of lanes) {
        restart(lane);
        while (lane.asks.length > 0) settle(lane, CLOSED);
      }
    },
  };
}

/** What every server refuses is no use to be tried for ever; what else is a channel, it decides. */
function mayBeChannel(pathname: string): boolean {
  try {
    return !/^\/\/?$/.test(decodeURIComponent(pathname));
  } catch {
    return false;
  }
}

function refOf(ask: Ask | undefined): string | undefined {
  return ask?.frame.type === "message" && "ref" in ask.frame ? ask.frame.ref : undefined;
}

function textOf({ frame }: Ask): string | undefined {
  return frame.type === "message" ? frame.text : undefined;
}

function toMessage(fields: MessageFields, ref?: string): ChatMessage {
  const { text, user, timestamp, id, prev } = fields;
  return {
    text,
    user,
    timestamp,
    ...(id === undefined ? {} : { id }),
    ...(prev === undefined ? {} : { prev }),
    ...(ref === undefined ? {} : { ref }),
  };
}

function toPage({ messages, gap, more }: HistoryFrame): HistoryPage {
  return {
    messages: messages.map((fields) => toMessage(fields)),
    gap: gap === "true",
    more: more === "true",
  };
}
