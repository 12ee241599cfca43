/** What this device remembers (localStorage), and what this tab does (sessionStorage). */
export interface Identity {
  readonly user: string;
  readonly session?: string | undefined;
}

type Place = "localStorage" | "sessionStorage";

const RECENT_MOST = 12;

/** A browser that blocks storage throws. Then nothing is remembered. */
function read(place: Place, key: string): string | undefined {
  try {
    return window[place].getItem(`shoal:${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(place: Place, key: string, value: string | undefined): boolean {
  try {
    if (value === undefined || value === "") window[place].removeItem(`shoal:${key}`);
    else window[place].setItem(`shoal:${key}`, value);
    return true;
  } catch {
    return false;
  }
}

function parsed<T>(text: string | undefined, fits: (value: unknown) => value is T): T | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isIdentity(value: unknown): value is Identity {
  return typeof value === "object" && value !== null && "user" in value;
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

export const store = {
  theme: () => read("localStorage", "theme"),
  setTheme: (theme: string | undefined) => write("localStorage", "theme", theme),

  notify: () => read("localStorage", "notify") === "yes",
  setNotify: (on: boolean) => write("localStorage", "notify", on ? "yes" : undefined),

  /** The name that was last used, in any channel. */
  name: () => read("localStorage", "name"),

  channels: () => parsed(read("localStorage", "channels"), isList) ?? [],
  visited(channel: string): void {
    const others = store.channels().filter((other) => other !== channel);
    const recent = [channel, ...others].slice(0, RECENT_MOST);
    write("localStorage", "channels", JSON.stringify(recent));
  },

  /** The name under which this tab talks in a channel, or else the last tab's. */
  identity(channel: string): Identity | undefined {
    const key = `identity:${channel}`;
    const text = read("sessionStorage", key) ?? read("localStorage", key);
    return parsed(text, isIdentity);
  },
  setIdentity(channel: string, identity: Identity | undefined): void {
    const text = identity === undefined ? undefined : JSON.stringify(identity);
    write("sessionStorage", `identity:${channel}`, text);
    write("localStorage", `identity:${channel}`, text);
    if (identity !== undefined) write("localStorage", "name", identity.user);
  },

  draft: (channel: string) => read("sessionStorage", `draft:${channel}`) ?? "",
  setDraft: (channel: string, text: string) => write("sessionStorage", `draft:${channel}`, text),

  /** The id of the last message seen in a channel. */
  seen: (channel: string) => Number(read("localStorage", `seen:${channel}`) ?? 0),
  setSeen: (channel: string, id: number) => write("localStorage", `seen:${channel}`, String(id)),
};
