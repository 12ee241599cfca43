import { LOG_LEVELS } from "./log.ts";

/** One setting: how its text is read, and what people are told about it. */
interface Setting<T> {
  readonly variable: string;
  /** As it would stand in the environment; "" for none. */
  readonly usual: string;
  /** For --help and .env.example. */
  readonly about: string;
  /** What it may be, for the sentence about a fault. */
  readonly allowed: string;
  /** undefined where the text is not allowed. */
  readonly read: (text: string) => T | undefined;
}

export const SETTINGS = {
  port: {
    variable: "PORT",
    usual: "6060",
    about: "the port to listen on; 0 takes a free one",
    ...integer(0, 65_535),
  },
  host: {
    variable: "HOST",
    usual: "0.0.0.0",
    about: "the address to listen on; 127.0.0.1 is reached from this machine alone",
    allowed: "a host name or an IP address",
    read: (text) => (/^[\w.:%-]+$/.test(text) ? text : undefined),
  },
  tlsCert: {
    variable: "TLS_CERT",
    usual: "",
    about: "a certificate chain (PEM file); with TLS_KEY, the server speaks https and wss",
    ...anyText("the path of a PEM file"),
  },
  tlsKey: {
    variable: "TLS_KEY",
    usual: "",
    about: "the private key of TLS_CERT (PEM file)",
    ...anyText("the path of a PEM file"),
  },
  heartbeatInterval: {
    variable: "HEARTBEAT_INTERVAL",
    usual: "30",
    about: "seconds between two heartbeats, fractions allowed",
    ...decimal(0.01, 86_400),
  },
  textLimit: {
    variable: "TEXT_LIMIT",
    usual: "2000",
    about: "characters (code points) in a message",
    ...integer(1, 1_000_000),
  },
  messageRate: {
    variable: "MESSAGE_RATE",
    usual: "10",
    about: "frames a second from one connection over time; 0 switches the limit off",
    ...decimal(0, 1_000_000),
  },
  messageBurst: {
    variable: "MESSAGE_BURST",
    usual: "50",
    about: "frames at once from one connection",
    ...integer(1, 1_000_000),
  },
  sendBuffer: {
    variable: "SEND_BUFFER",
    usual: "1048576",
    about: "bytes that wait for a connection that does not read before it is cut",
    ...integer(1024, 1_073_741_824),
  },
  fanoutWindow: {
    variable: "FANOUT_WINDOW",
    usual: "22",
    about: "milliseconds for which a large, busy channel gathers its messages; 0 for none",
    ...decimal(0, 1000),
  },
  historyLimit: {
    variable: "HISTORY_LIMIT",
    usual: "100",
    about: "messages kept of a channel, for those who come back; 0 for none",
    ...integer(0, 1_000_000),
  },
  historyTtl: {
    variable: "HISTORY_TTL",
    usual: "3600",
    about: "seconds that an empty channel is remembered",
    ...decimal(0, 31_536_000),
  },
  historyMemory: {
    variable: "HISTORY_MEMORY",
    usual: "67108864",
    about: "bytes of memory that all kept messages together may take",
    ...integer(0, 1_099_511_627_776),
  },
  sessionGrace: {
    variable: "SESSION_GRACE",
    usual: "30",
    about: "seconds that a name is kept for a shoal.v1 client whose connection broke; 0 for none",
    ...decimal(0, 86_400),
  },
  database: {
    variable: "DATABASE",
    usual: "",
    about: "an SQLite file that keeps messages and names across restarts; none: memory alone",
    ...anyText("the path of a file"),
  },
  logLevel: {
    variable: "LOG_LEVEL",
    usual: "info",
    about: "what is logged: debug, info, warn, error or silent",
    allowed: "debug, info, warn, error or silent",
    read: (text) => LOG_LEVELS.find((level) => level === text),
  },
} satisfies Record<string, Setting<unknown>>;

/** The settings of a server, in the units that {@link SETTINGS} tells; paths are "" for none. */
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
 * The config in these variables, with the usual value for each that is missing or empty; or every
 * fault in them, a sentence each.
 *
 * @param isFile whether there is a file at this path that can be read
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  isFile: (path: string) => boolean,
): { readonly config: Config } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, { variable, usual, allowed, read }] of Object.entries(SETTINGS)) {
    const text = env[variable]?.trim() || usual;
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

/** Ports that browsers refuse to connect to (Fetch standard, "port blocking"). */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);

/** Whether browsers refuse this port, although other clients can use it. */
export function isBadPort(port: number): boolean {
  return BAD_PORTS.has(port);
}
