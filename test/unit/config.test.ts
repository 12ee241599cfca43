import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { isBadPort, readConfig } from "../../src/config.ts";
import { SETTINGS } from "../../src/settings.ts";

const yes = () => true;
const no = () => false;

test("every setting has a default", () => {
  expect(readConfig({}, no)).toEqual({
    config: {
      port: 6060,
      host: "0.0.0.0",
      tlsCert: "",
      tlsKey: "",
      heartbeatInterval: 30,
      textLimit: 2000,
      messageRate: 10,
      messageBurst: 50,
      ipConnections: 1000,
      ipConnectionRate: 10,
      ipConnectionBurst: 1000,
      ipMessageRate: 100,
      ipMessageBurst: 1000,
      ipChannelRate: 10,
      ipChannelBurst: 300,
      maxConnections: 0,
      trustedProxies: expect.anything(),
      proxyHeader: "x-forwarded-for",
      origins: ["*"],
      channels: ["*"],
      sendBuffer: 1_048_576,
      sendBufferTotal: 268_435_456,
      fanoutWindow: 22,
      historyLimit: 100,
      historyTtl: 3600,
      historyAge: Infinity,
      historyMemory: 67_108_864,
      sessionGrace: 30,
      database: "",
      databaseSize: Infinity,
      logLevel: "info",
    },
  });
});

test("an empty or blank variable gets the default", () => {
  expect(readConfig({ PORT: "", HOST: " " }, no)).toEqual(readConfig({}, no));
});

test("names every invalid setting at once, and the values that it accepts", () => {
  const read = readConfig(
    {
      PORT: "65536",
      HOST: "not a host",
      HEARTBEAT_INTERVAL: "-1",
      TEXT_LIMIT: "2.5",
      MESSAGE_RATE: "fast",
      MESSAGE_BURST: "0",
      SEND_BUFFER: "1",
      LOG_LEVEL: "loud",
      TLS_CERT: "cert.pem",
    },
    no,
  );
  expect(read).toEqual({
    faults: [
      'PORT is "65536", but must be a whole number from 0 to 65535.',
      'HOST is "not a host", but must be a host name or an IP address.',
      'HEARTBEAT_INTERVAL is "-1", but must be a number from 0.01 to 86400.',
      'TEXT_LIMIT is "2.5", but must be a whole number from 1 to 1000000.',
      'MESSAGE_RATE is "fast", but must be a number from 0 to 1000000.',
      'MESSAGE_BURST is "0", but must be a whole number from 1 to 1000000.',
      'SEND_BUFFER is "1", but must be a whole number from 1024 to 1073741824.',
      'LOG_LEVEL is "loud", but must be debug, info, warn, error or silent.',
      "TLS_CERT and TLS_KEY go together: set both, or neither.",
      'TLS_CERT is "cert.pem", but no file can be read there.',
    ],
  });
});

test.each(["0x10", "1e3", "١", "+5", "Infinity", "NaN"])("rejects PORT=%j", (text) => {
  expect("faults" in readConfig({ PORT: text }, no)).toBe(true);
});

test("ignores spaces around a value", () => {
  const read = readConfig({ PORT: " 10 " }, no);
  expect("config" in read && read.config.port).toBe(10);
});

test("accepts fractions of a second", () => {
  const read = readConfig({ HEARTBEAT_INTERVAL: ".25" }, no);
  expect("config" in read && read.config.heartbeatInterval).toBe(0.25);
});

test("TLS_CERT and TLS_KEY need each other", () => {
  expect("faults" in readConfig({ TLS_KEY: "key.pem" }, yes)).toBe(true);
  expect("faults" in readConfig({ TLS_CERT: "cert.pem" }, yes)).toBe(true);
  expect("config" in readConfig({ TLS_CERT: "c.pem", TLS_KEY: "k.pem" }, yes)).toBe(true);
});

test("browsers refuse port 6000, but not the default port", () => {
  expect(isBadPort(6000)).toBe(true);
  expect(isBadPort(6060)).toBe(false);
});

describe("the documentation of the settings", () => {
  const read = (name: string) => Bun.file(join(import.meta.dir, "../..", name)).text();

  test(".env.example lists every setting with its description and default", async () => {
    const expected = Object.values(SETTINGS).map(({ variable, default: fallback, about }) => {
      return `# ${about[0]!.toUpperCase()}${about.slice(1)}.\n${fallback === "" ? "# " : ""}${variable}=${fallback}\n`;
    });
    expect(await read(".env.example")).toEndWith(`\n\n${expected.join("\n")}`);
  });

  test("docs/configuration.md lists every setting with its default and description", async () => {
    const rows = [...(await read("docs/configuration.md")).matchAll(/^\| `([A-Z_]+)` .*$/gm)];
    const cells = rows.map(([row]) => row.split("|").map((cell) => cell.trim()));
    const expected = Object.values(SETTINGS).map(({ variable, default: fallback, about }) => {
      return ["", `\`${variable}\``, fallback === "" ? "none" : `\`${fallback}\``, about, ""];
    });
    expect(cells).toEqual(expected);
  });
});
