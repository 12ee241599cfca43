import { LOG_LEVELS } from "./log.ts";
import { blockListOf, PROXY_HEADERS } from "./auth/address.ts";
import { channelsOf } from "./auth/channels.ts";
import { originsOf } from "./auth/origins.ts";

/** Every setting there is; config.ts reads them. */

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
  ipChannelRate: {
    variable: "IP_CHANNEL_RATE",
    default: "10",
    about: "first messages per second into empty channels from one address; 0 turns the limit off",
    ...decimal(0, 1_000_000),
  },
  ipChannelBurst: {
    variable: "IP_CHANNEL_BURST",
    default: "300",
    about: "first messages at once into empty channels from one address",
    ...integer(1, 1_000_000),
  },
  maxConnections: {
    variable: "MAX_CONNECTIONS",
    default: "",
    about: "open connections in all; without it, 80 % of the limit on open files",
    allowed: "a whole number from 1 to 1000000",
    // 0 stands for the default, which depends on the process.
    read: (text) => (text === "" ? 0 : integer(1, 1_000_000).read(text)),
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
  sendBufferTotal: {
    variable: "SEND_BUFFER_TOTAL",
    default: "268435456",
    about: "bytes that may be on their way to all slow readers together; the largest go first",
    ...integer(1_048_576, 1_099_511_627_776),
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
