import type {
  Chat,
  ChatOptions,
  ChatState,
  HistoryPage,
  HistoryQuery,
  Identified,
  PresenceEvent,
  SearchPage,
  SearchQuery,
  Sent,
  StateEvent,
} from "./api.ts";
import { toFound, toMessage, toPage } from "./convert.ts";
import { createEvents } from "./events.ts";
import { Inbox, type PageQuery } from "./inbox.ts";
import { Link } from "./link.ts";
import { Name } from "./name.ts";
import { Outgoing } from "./outgoing.ts";
import { answered, askPage } from "./pages.ts";
import { type Queue, type Request, Requests } from "./requests.ts";
import { roster } from "./roster.ts";
import { RETRY_LATER } from "../protocol/codes.ts";
import type { Command } from "../protocol/inbound.ts";
import { PAGE } from "../protocol/limits.ts";
import type { HistoryFrame, MessageFields, ServerFrame } from "../protocol/outbound.ts";

const CLOSED = { type: "error", code: "closed", message: "This chat is closed." } as const;
const NO_PAGE: HistoryFrame = { type: "history", messages: [], gap: "false", more: "false" };
/** How requests end that the plain protocol does not have. */
const PLAIN_ANSWERS: Partial<Record<Command["type"], ServerFrame>> = {
  history: NO_PAGE,
  search: NO_PAGE,
  delete: { type: "error", code: "unsupported", message: "This server cannot remove messages." },
};

/** One person's place in one channel: passes on what the server sends, and what the user asks. */
export class Client implements Chat {
  state: ChatState = "connecting";
  plain = false;
  readonly on: Chat["on"];
  readonly #events = createEvents();
  readonly #emit = this.#events.emit;
  readonly #presence: boolean;
  readonly #link: Link;
  readonly #inbox: Inbox;
  readonly #requests: Requests;
  readonly #names: Queue;
  readonly #pages: Queue;
  readonly #messages: Queue;
  readonly #outgoing: Outgoing;
  readonly #name: Name;
  #present: PresenceEvent | undefined;
  constructor(url: URL, options: ChatOptions) {
    const { random = Math.random, webSocket = WebSocket, name } = options;
    const emit = this.#emit;
    this.on = this.#events.on;
    this.#presence = options.presence === true;
    this.#requests = new Requests(this.#ready, this.#send, random);
    this.#names = this.#requests.queue();
    this.#pages = this.#requests.queue();
    this.#messages = this.#requests.queue();
    this.#outgoing = new Outgoing(this.#messages);
    this.#name = new Name(this.#names, emit, this.#unasked);
    this.#name.session = options.session;
    this.#inbox = new Inbox({
      history: options.history ?? PAGE.default,
      after: options.after,
      ask: this.#askPage,
      onFirst: (page) => emit("history", toPage(page)),
      onMessage: this.#deliver,
      onGap: (gap) => emit("gap", gap),
    });
    this.#link = new Link({
      url,
      webSocket,
      random,
      onFrame: this.#receive,
      onState: this.#setState,
    });
    if (name !== undefined) this.#names.ask({ type: "identity", user: name }, this.#unasked);
    this.#link.open();
  }

  get user(): string | undefined {
    return this.#name.user;
  }

  get session(): string | undefined {
    return this.#name.session;
  }

  get last(): number {
    return this.#inbox.last;
  }

  identify(name: string): Promise<Identified> {
    return new Promise((resolve) => {
      this.#names.ask({ type: "identity", user: name }, (answer) => {
        if (answer.type !== "error") resolve({ ok: true, user: this.user ?? name });
        else resolve({ ok: false, code: answer.code, message: answer.message });
      });
    });
  }

  send(text: string): { ref: string; sent: Promise<Sent> } {
    const ref = this.#outgoing.newRef();
    return { ref, sent: this.#outgoing.post({ type: "message", text, ref }, this.#unasked) };
  }

  remove(id: number): Promise<Sent> {
    return this.#outgoing.post({ type: "delete", id, ref: this.#outgoing.newRef() });
  }

  leave(): Promise<void> {
    this.#name.drop();
    if (!this.#names.sent) this.#names.restart();
    return new Promise((resolve) => {
      this.#names.ask({ type: "identity", user: "" }, () => {
        resolve();
        // The plain protocol has no other way.
        if (this.plain && this.state === "open") this.#link.reopen();
      });
    });
  }

  async history(query: HistoryQuery): Promise<HistoryPage> {
    const page = await answered((settle) => askPage(this.#pages.ask, query, settle));
    return toPage(page as HistoryFrame);
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    const frame = { type: "search", ...query } as const;
    return toFound(await answered((settle) => this.#pages.ask(frame, settle)));
  }

  close(): void {
    if (this.state === "closed") return;
    this.#link.close();
    this.#setState("closed");
    this.#requests.close(CLOSED);
  }

  readonly #setState = (state: ChatState, more: Partial<StateEvent> = {}): void => {
    this.state = state;
    this.#emit("state", { state, plain: this.plain, ...more });
  };

  /** The queues that may send now. The name goes first: without it, messages are rejected. */
  readonly #ready = (): Queue[] => {
    if (this.state !== "open") return [];
    return this.#name.settled ? [this.#pages, this.#messages] : [this.#names, this.#pages];
  };

  /** Asks for a page of history, before everything that the user asked for. */
  readonly #askPage = (query: PageQuery, then: (page?: HistoryFrame) => void): void => {
    askPage(this.#pages.askFirst, query, (answer) => {
      if (answer.type === "history") return then(answer);
      this.#unasked(answer);
      then();
    });
  };

  readonly #send = (request: Request, queue: Queue): void => {
    const answer = this.plain ? PLAIN_ANSWERS[request.frame.type] : undefined;
    if (answer !== undefined) return queue.answer(answer);
    request.as = this.user;
    this.#write(request.frame);
  };

  #write(frame: Command): void {
    let fields = {};
    if (frame.type === "identity" && !this.plain) fields = { session: this.session };
    if (frame.type === "message" && this.plain) fields = { ref: undefined };
    this.#link.write(JSON.stringify({ ...frame, ...fields }));
  }

  readonly #receive = (frame: ServerFrame): void => {
    switch (frame.type) {
      case "connection":
        return this.#enter(frame);
      case "heartbeat":
        this.#write({ type: "heartbeat" });
        this.#link.beat();
        if (frame.authenticated === "false" && this.#name.granted) this.#name.reclaim();
        return;
      case "identity":
        return this.#name.receive(frame);
      case "message":
        return this.#inbox.message(frame);
      case "ack":
        return this.#outgoing.acknowledge(frame, this.last);
      case "error":
        return this.#rejected(frame);
      case "presence":
        this.#present = roster(this.#present, frame);
        this.#emit("presence", this.#present);
    }
    if (this.#pages.pending?.frame.type === frame.type) this.#pages.answer(frame);
  };

  /** The connection is in its channel. */
  #enter(frame: ServerFrame & { type: "connection" }): void {
    const { limits, last } = frame;
    // Whatever the handshake said: only a server that speaks the subprotocol sends the last id.
    this.plain = last === undefined;
    this.#name.granted = false;
    this.#present = undefined;
    this.#requests.restart(limits);
    this.#link.enter(frame.heartbeat);

    this.#setState("open");
    if (limits !== undefined) this.#emit("limits", limits);
    if (this.user !== undefined) this.#name.reclaim();
    this.#inbox.enter(last);
    if (this.#presence && !this.plain) this.#pages.askFirst({ type: "presence" }, this.#unasked);
    this.#requests.pump();
  }

  /** Finds the request that an error frame answers, and whether to try again. */
  #rejected(frame: ServerFrame & { type: "error" }): void {
    const queue = this.plain || frame.ref !== undefined ? this.#messages : this.#pages;
    const request = queue.pending;
    if (request === undefined || (!this.plain && request.frame.ref !== frame.ref)) {
      return this.#unasked(frame);
    }
    if (RETRY_LATER.has(frame.code)) return queue.retry(frame.code === "busy");
    if (frame.code === "not_identified" && (this.user !== undefined || this.#name.lost)) {
      // The name was lost before the message arrived.
      queue.release();
      if (this.#name.granted) this.#name.reclaim();
      return this.#requests.pump();
    }
    queue.answer(frame);
  }

  /** Takes the answer to a request that nobody waits for: an error becomes an event. */
  readonly #unasked = (answer: ServerFrame): void => {
    if (answer.type !== "error" || this.state === "closed") return;
    const { code, message, ref } = answer;
    this.#emit("error", { code, message, ...(ref === undefined ? {} : { ref }) });
  };

  readonly #deliver = (fields: MessageFields, missed: boolean): void => {
    const ref = this.#outgoing.refOf(fields);
    const { deletes, user } = fields;
    if (deletes !== undefined) return this.#emit("removed", { id: deletes, user });
    const message = toMessage(fields, ref);
    this.#emit("message", missed ? { ...message, missed } : message);
    // On the plain protocol, a message that comes back is its own ack.
    if (this.plain && ref !== undefined && this.#messages.pending?.frame.ref === ref) {
      this.#messages.answer({ type: "message", ...fields });
    }
  };
}
