/**
 * Well-behaved clients of `shoal.v1` beside an attack: one talks five times a second, 50 listen, and
 * once a second somebody comes in. They measure how long that takes.
 */

/** What became of the posts of one phase. */
export interface Tally {
  sent: number;
  refused: number;
  /** Posts that were not delivered within {@link PATIENCE}. */
  lost: number;
  /** Milliseconds from each post to its delivery. */
  readonly delays: number[];
  /** Milliseconds in which newcomers were in their channel. */
  readonly arrivals: number[];
}

export function newTally(): Tally {
  return { sent: 0, refused: 0, lost: 0, delays: [], arrivals: [] };
}

/** Nobody waits longer for an answer: milliseconds. */
export const PATIENCE = 10_000;
const LISTENERS = 50;
const POST_EVERY = 200;
const ARRIVE_EVERY = 1000;
/** Their address, as a trusted proxy would name it. It is not a private one (RFC 5737). */
const ADDRESS = "198.51.100.7";

interface Frame {
  type: string;
  text: string;
  ref: string;
  success: string;
}

export class Victims implements Disposable {
  /** Connections of theirs that ended, and newcomers who did not get in. */
  disconnected = 0;
  readonly #url: string;
  readonly #sockets: WebSocket[] = [];
  readonly #pending = new Map<string, { at: number; tally: Tally }>();
  readonly #timers: NodeJS.Timeout[] = [];
  #tally = newTally();
  #next = 0;
  #ended = false;

  /** @param url the channel */
  constructor(url: string) {
    this.#url = url;
  }

  /** @param listeners besides the one who talks; one of them, or else the talker, takes the time */
  static async enter(url: string, listeners = LISTENERS): Promise<Victims> {
    const victims = new Victims(url);
    const ready = Promise.withResolvers<void>();
    for (let n = 0; n < listeners; n++) {
      await victims.#connect((frame) => n === 0 && victims.#heard(frame));
    }
    const talker = await victims.#connect((frame) => {
      if (frame.type === "identity") ready.resolve();
      if (frame.type === "error") victims.#refused(frame);
      if (listeners === 0) victims.#heard(frame);
    });
    talker.send('{"type":"identity","user":"ann"}');
    await ready.promise;
    victims.#timers.push(setInterval(() => victims.#post(talker), POST_EVERY));
    victims.#timers.push(setInterval(() => victims.#arrive(), ARRIVE_EVERY));
    return victims;
  }

  /** From now on, what is posted counts for this tally. */
  count(tally: Tally): void {
    this.#tally = tally;
  }

  /** Waits until everything posted was answered, or is lost. */
  async settled(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (; this.#pending.size > 0; this.#expire()) await Bun.sleep(10);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.close();
  }

  async #connect(onFrame: (frame: Frame) => void): Promise<WebSocket> {
    const headers = { "X-Forwarded-For": ADDRESS };
    const socket = new WebSocket(this.#url, { protocols: ["shoal.v1"], headers });
    this.#sockets.push(socket);
    const inside = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => {
      const text = String(data);
      if (text.startsWith('{"type":"heartbeat"')) return socket.send('{"type":"heartbeat"}');
      if (text.startsWith('{"type":"connection"')) inside.resolve();
      onFrame(JSON.parse(text) as Frame);
    };
    socket.onclose = () => {
      if (!this.#ended) this.disconnected++;
      inside.reject(new Error("closed while it waited for the connection frame"));
    };
    socket.onerror = () => {};
    await inside.promise;
    return socket;
  }

  #post(talker: WebSocket): void {
    const ref = `${this.#next++}`;
    this.#tally.sent++;
    this.#pending.set(ref, { at: performance.now(), tally: this.#tally });
    talker.send(JSON.stringify({ type: "message", text: `well-behaved ${ref}`, ref }));
    this.#expire();
  }

  #expire(): void {
    const due = performance.now() - PATIENCE;
    for (const [ref, { at, tally }] of this.#pending) {
      if (at > due) break;
      tally.lost++;
      tally.delays.push(PATIENCE);
      this.#pending.delete(ref);
    }
  }

  #heard(frame: Frame): void {
    if (frame.type !== "message" || !frame.text.startsWith("well-behaved ")) return;
    const ref = frame.text.slice("well-behaved ".length);
    const post = this.#pending.get(ref);
    if (post === undefined) return;
    this.#pending.delete(ref);
    post.tally.delays.push(performance.now() - post.at);
  }

  #refused({ ref }: Frame): void {
    const post = this.#pending.get(ref);
    if (post === undefined) return;
    this.#pending.delete(ref);
    post.tally.refused++;
  }

  async #arrive(): Promise<void> {
    const { arrivals } = this.#tally;
    const start = performance.now();
    const newcomer = new Victims(this.#url);
    const inside = newcomer
      .#connect(() => {})
      .then(
        () => true,
        () => false,
      );
    const waited = Bun.sleep(PATIENCE).then(() => false);
    if (!(await Promise.race([inside, waited]))) this.disconnected++;
    arrivals.push(performance.now() - start);
    newcomer[Symbol.dispose]();
  }
}
