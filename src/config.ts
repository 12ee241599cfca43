import { LOG_LEVELS } from "./log.ts";
import { blockListOf, PROXY_HEADERS } from "./auth/address.ts";
import { channelsOf } from "./auth/channels.ts";
import { originsOf } from "./auth/origins.ts";

/** One setting: how to parse it, and the words that describe it. */
interface Setting<T> {
  readonly variable: string;
  /** The default, as it would stand in the environment; "" for none. */
  readonly default: string;
  /** One line for --help, .env.example and docs/configuration.md. */
  readonly about: string;
  /** The values that it accepts, to complete "… must be". */
  readonly allowed: string;
  /** The value of this text, or undefined if the text is not allowed. */
  readonly read: (text: string) => T | undefined;
}

export const SETTINGS = {
  port: {
    variable: "PORT",
    default: "6060",
    about: "port to listen on; 0 picks a free one",
    ...integer(0, 65_535),
  },
  host: {
    variable: "HOST",
    default: "0.0.0.0",
    about: "address to listen on; with 127.0.0.1, only this machine can connect",
    allowed: "a host name or an IP address",
    read: (text) => (/^[\w.:%-]+$/.test(text) ? text : undefined),
  },
  tlsCert: {
    variable: "TLS_CERT",
    default: "",
    about: "certificate chain (PEM file); with TLS_KEY, the server speaks https and wss",
    ...anyText("the path of a PEM file"),
  },
  tlsKey: {
    variable: "TLS_KEY",
    default: "",
    about: "private key for TLS_CERT (PEM file)",
    ...anyText("the path of a PEM file"),
  },
  heartbeatInterval: {
    variable: "HEARTBEAT_INTERVAL",
    default: "30",
    about: "seconds between two heartbeats; fractions are allowed",
    ...decimal(0.01, 86_400),
  },
  textLimit: {
    variable: "TEXT_LIMIT",
    default: "2000",
    about: "maximum characters (code points) in a message",
    ...integer(1, 1_000_000),
  },
  messageRate: {
    variable: "MESSAGE_RATE",
    default: "10",
    about: "frames per second that one connection may send over time; 0 turns the limit off",
    ...decimal(0, 1_000_000),
  },
  messageBurst: {
    variable: "MESSAGE_BURST",
    default: "50",
    about: "frames that one connection may send at once",
    ...integer(1, 1_000_000),
  },
  ipConnections: {
    variable: "IP_CONNECTIONS",
    default: "1000",
    about: "open connections per address (IPv6: per /64); 0 turns the limit off",
    ...integer(0, 1_000_000),
  },
  ipConnectionRate: {
    variable: "IP_CONNECTION_RATE",
    default: "10",
    about: "new connections per second from one address over time; 0 turns the limit off",
    ...decimal(0, 1_000_000),
  },
  ipConnectionBurst: {
    variable: "IP_CONNECTION_BURST",
    default: "1000",
    about: "new connections at once from one address",
    ...integer(1, 1_000_000),
  },
  ipMessageRate: {
    variable: "IP_MESSAGE_RATE",
    default: "100",
    about: "messages per second from one address over time; 0 turns the limit off",
    ...decimal(0, 1_000_000),
  },
  ipMessageBurst: {
    variable: "IP_MESSAGE_BURST",
    default: "1000",
    about: "messages at once from one address",
    ...integer(1, 1_000_000),
  },
  trustedProxies: {
    variable: "TRUSTED_PROXIES",
    default: "127.0.0.0/8,::1",
    about: "addresses and networks of proxies whose PROXY_HEADER names the client",
    allowed: "addresses or networks (CIDR) with commas between them",
    read: blockListOf,
  },
  proxyHeader: {
    variable: "PROXY_HEADER",
    default: "x-forwarded-for",
    about: "header in which a proxy names the client: x-forwarded-for, forwarded or x-real-ip",
    allowed: "x-forwarded-for, forwarded or x-real-ip",
    read: (text) => PROXY_HEADERS.find((header) => header === text.toLowerCase()),
  },
  origins: {
    variable: "ORIGINS",
    default: "*",
    about: "websites whose pages may connect, like https://my.site,https://*.my.site; * for all",
    allowed: "* or origins like https://my.site or https://*.my.site with commas between them",
    read: originsOf,
  },
  channels: {
    variable: "CHANNELS",
    default: "*",
    about: "channels that exist, like fishing,team/*; * for all",
    allowed: "channels with commas between them, where * stands for anything",
    read: channelsOf,
  },
  sendBuffer: {
    variable: "SEND_BUFFER",
    default: "1048576",
    about: "bytes that may queue up for a slow reader before it is disconnected",
    ...integer(1024, 1_073_741_824),
  },
  fanoutWindow: {
    variable: "FANOUT_WINDOW",
    default: "22",
    about: "milliseconds for which a large, busy channel batches its messages; 0 turns this off",
    ...decimal(0, 1000),
  },
  historyLimit: {
    variable: "HISTORY_LIMIT",
    default: "100",
    about: "messages kept per channel, for clients that come back; 0 keeps none",
    ...integer(0, 1_000_000),
  },
  historyTtl: {
    variable: "HISTORY_TTL",
    default: "3600",
    about: "seconds that an empty channel is remembered",
    ...decimal(0, 31_536_000),
  },
  historyMemory: {
    variable: "HISTORY_MEMORY",
    default: "67108864",
    about: "bytes of memory that all kept messages together may use",
    ...integer(0, 1_099_511_627_776),
  },
  sessionGrace: {
    variable: "SESSION_GRACE",
    default: "30",
    about:
      "seconds that a name stays reserved for a shoal.v1 client whose connection broke; 0 reserves none",
    ...decimal(0, 86_400),
  },
  database: {
    variable: "DATABASE",
    default: "",
    about: "SQLite file that keeps messages and names across restarts; without one, memory only",
    ...anyText("the path of a file"),
  },
  logLevel: {
    variable: "LOG_LEVEL",
    default: "info",
    about: "lowest level to log: debug, info, warn, error or silent",
    allowed: "debug, info, warn, error or silent",
    read: (text) => LOG_LEVELS.find((level) => level === text),
  },
} satisfies Record<string, Setting<unknown>>;

/** The settings of a server, in the units that {@link SETTINGS} names; "" stands for no path. */
export type Config = {
  readonly [K in keyof typeof SETTINGS]: NonNullable<ReturnType<(typeof SETTINGS)[K]["read"]>>;
};

function integer(least: number, most: number): Pick<Setting<number>, "allowed" | "read"> {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    read: (text) => (/^\d+$/.test(text) ? within(Number(text), least, most) : undefined),
  };
}

function decimal(least: number, most: number): Pick<Setting<number>, "allowed" | "read"> {
  return {
    allowed: `a number from ${least} to ${most}`,
    read: (text) => (/^\d*\.?\d+$/.test(text) ? within(Number(text), least, most) : undefined),
  };
}

function within(value: number, least: number, most: number): number | undefined {
  return value >= least && value <= most ? value : undefined;
}

function anyText(allowed: string): Pick<Setting<string>, "allowed" | "read"> {
  return { allowed, read: (text) => text };
}

/**
 * Reads the settings from variables; a missing or empty one gets its default.
 *
 * @param isFile whether there is a readable file at this path
 * @returns the config, or one sentence for every invalid setting
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  isFile: (path: string) => boolean,
): { readonly config: Config } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, { variable, default: fallback, allowed, read }] of Object.entries(SETTINGS)) {
    const text = env[variable]?.trim() || fallback;
    const value = read(text);
    if (value === undefined) {
      faults.push(`${variable} is ${JSON.stringify(text)}, but must be ${allowed}.`);
    }
    values[key] = value;
  }
  const config = values as unknown as Config;
  if ((config.tlsCert === "") !== (config.tlsKey === "")) {
    faults.push("TLS_CERT and TLS_KEY go together: set both, or neither.");
  }
  for (const { variable } of [SETTINGS.tlsCert, SETTINGS.tlsKey]) {
    const path = env[variable]?.trim() ?? "";
    if (path !== "" && !isFile(path)) {
      faults.push(`${variable} is ${JSON.stringify(path)}, but no file can be read there.`);
    }
  }
  return faults.length > 0 ? { faults } : { config: Object.freeze(config) };
}

/** The ports that browsers refuse to connect to (Fetch standard, "port blocking"). */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);

/** Whether browsers refuse to connect to this port; other clients can. */
export function isBadPort(port: number): boolean {
  return BAD_PORTS.has(port);
}
