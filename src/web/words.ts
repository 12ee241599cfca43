/** Times, counts and states in words. */
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY_LENGTH = 86_400_000;

/** @param time milliseconds since the epoch, here and below */
export function clock(time: number): string {
  return CLOCK.format(time);
}

export function fullTime(time: number): string {
  return FULL.format(time);
}

/** A time that may be on another day. */
export function moment(time: number, now: number): string {
  return midnight(time) === midnight(now) ? clock(time) : MOMENT.format(time);
}

export function dayOf(time: number, now: number): string {
  const days = Math.round((midnight(now) - midnight(time)) / DAY_LENGTH);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const thisYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return (thisYear ? DAY : DAY_OF_YEAR).format(time);
}

function midnight(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/**
 * The sentence for a broken chain of messages, between two times or after one. A server that forgot
 * everything does not know whether there were any.
 */
export function gapWords(from: number, to?: number): string {
  if (to === undefined) return `Messages may be missing after ${clock(from)}.`;
  if (clock(from) === clock(to)) return `Messages may be missing at ${clock(from)}.`;
  return `Messages may be missing between ${clock(from)} and ${clock(to)}.`;
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Why a message was rejected: the server's sentence, unless it is meant for programs. */
export function refusalWords(code: string, message: string): string {
  if (code === "not_identified") return "You had no name in this channel.";
  if (code === "text_too_long") return "It is longer than the server allows.";
  if (code === "text_blank") return "It has nothing visible in it.";
  return message;
}

/** Why a message was not deleted. */
export function keptWords(code: string, message: string): string {
  if (code === "forbidden") return "Not deleted: it was sent from another browser or session.";
  if (code === "not_found") return "Not deleted: the server no longer has it.";
  if (code === "not_identified") return "Not deleted: you have no name in this channel.";
  return `Not deleted: ${message}`;
}

/** The state of the connection, as far as its words need it. */
export interface Connection {
  readonly state: "connecting" | "open" | "waiting" | "offline" | "closed";
  /** When the next attempt is due, in milliseconds since the epoch. */
  readonly retryAt?: number | undefined;
  readonly reason?: "stopping" | "lost" | undefined;
  /** Why the server refuses a connection, if it said so. */
  readonly detail?: string | undefined;
}

/** One word for the header. */
export function stateWord({ state }: Connection): string {
  const words = {
    connecting: "Connecting",
    open: "Connected",
    waiting: "Reconnecting",
    offline: "Offline",
    closed: "Disconnected",
  };
  return words[state];
}

/** A sentence, if the word does not say enough; otherwise empty. */
export function stateSentence({ state, retryAt, reason, detail }: Connection, now: number): string {
  if (state === "offline") return "This device is offline. Messages are sent when it is back.";
  if (state === "closed") return "This tab is disconnected. Reload it to reconnect.";
  if (state !== "waiting") return "";
  const lost = reason === "stopping" ? "The server is restarting." : "The connection was lost.";
  const seconds = retryAt === undefined ? 0 : Math.ceil((retryAt - now) / 1000);
  return `${detail ?? lost} Reconnecting ${seconds > 0 ? `in ${seconds} s` : "now"}.`;
}
