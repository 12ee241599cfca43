import { parseArgs } from "node:util";
import { PLAIN, V1 } from "./load-wire.ts";
import type { LoadFigures, LoadPlan } from "./load-plan.ts";
import { Load } from "./load.ts";

/** `bun run bench -- URL`: the load side of the benchmark against a server of your own. */

export const OWN_SERVER_HELP = `Usage: bun run bench -- URL [options]

Puts load on a Shoal of your own and reports how fast its messages arrive.

  --connections <n>  connections, at most 20,000 (100)
  --channels <n>     channels below the URL's path that the connections are spread over (10)
  --talkers <n>      connections in each channel that talk (5)
  --rate <r>         messages a second over all talkers (5 each, below a server's default limit);
                     0: each sends its next message when its last one returns, for MESSAGE_RATE=0
  --seconds <s>      how long they talk, at most 60 (5)
  --v1               speak shoal.v1
  --yes-i-own-it     required unless the URL is on this machine: the server is yours to load
`;

/** Most connections, channels or talkers. */
const MOST = 20_000;
const RATE = { each: 5, most: 100_000 };
const SECONDS = { usual: 5, most: 60 };
const WARMUP = 1;
const TEXT = 48;

/** @throws with a sentence about what is wrong with the arguments */
function read(args: string[]): { plan: LoadPlan; seconds: number } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      connections: { type: "string" },
      channels: { type: "string" },
      talkers: { type: "string" },
      rate: { type: "string" },
      seconds: { type: "string" },
      v1: { type: "boolean", default: false },
      "yes-i-own-it": { type: "boolean", default: false },
    },
  });
  const [address, ...others] = positionals;
  if (address === undefined || others.length > 0) throw new Error("Give one URL.");
  const url = URL.parse(address.replace(/^http/i, "ws"));
  if (url === null || !/^wss?:$/.test(url.protocol)) {
    throw new Error(`"${address}" is not a URL like ws://127.0.0.1:6060/.`);
  }
  if (!isLoopback(url.hostname) && !values["yes-i-own-it"]) {
    throw new Error(
      `${url.hostname} is not this machine. If the server is yours, add --yes-i-own-it.`,
    );
  }
  const connections = whole("connections", values.connections, 100);
  const channels = whole("channels", values.channels, Math.min(10, connections));
  if (channels > connections) throw new Error("--channels is more than --connections.");
  // The last channels may have one connection fewer than the first.
  const members = Math.floor(connections / channels);
  const talkers = whole("talkers", values.talkers, Math.min(5, members));
  if (talkers > members) throw new Error(`--talkers is more than a channel's ${members}.`);
  const rate = number("rate", values.rate, RATE.each * talkers * channels, 0, RATE.most);
  const seconds = number("seconds", values.seconds, SECONDS.usual, 0.1, SECONDS.most);
  return {
    plan: {
      url: url.href,
      connections,
      channels,
      talkers,
      pace: rate === 0 ? { inFlight: 1 } : { rate },
      dialects: [values.v1 ? V1 : PLAIN],
      textLength: TEXT,
    },
    seconds,
  };
}

/** Whether a URL's host is this machine, whatever the DNS says. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.[\d.]+$/.test(hostname);
}

function whole(flag: string, text: string | undefined, usual: number): number {
  const value = number(flag, text, usual, 1, MOST);
  if (!Number.isInteger(value)) throw new Error(`--${flag} must be a whole number.`);
  return value;
}

function number(
  flag: string,
  text: string | undefined,
  usual: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return Math.min(usual, most);
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`--${flag} must be a number from ${least} to ${most}.`);
}

export interface Output {
  /** Writes lines to standard output. */
  readonly print: (lines: string) => void;
  /** Writes a sentence to standard error. */
  readonly say: (sentence: string) => void;
}

/**
 * Loads a server and reports the figures.
 *
 * @param args the URL and the options
 * @returns the exit status: 0; 1 if the server could not be measured; 2 for invalid arguments
 */
export async function loadServer(args: string[], { print, say }: Output): Promise<0 | 1 | 2> {
  let wanted: ReturnType<typeof read>;
  try {
    wanted = read(args);
  } catch (error) {
    say(`${(error as Error).message.split("\n")[0]} See bun run bench -- --help.`);
    return 2;
  }
  const { plan, seconds } = wanted;
  const load = new Load(plan);
  try {
    const opening = await load.open();
    print(
      `${plan.connections} connections in ${plan.channels} channels, ${plan.dialects[0]?.name}: ` +
        `all connected after ${opening.toFixed(2)} s. They talk for ${seconds} s.`,
    );
    const figures = await load.drive({ warmup: WARMUP, seconds });
    const fault = faultOf(figures);
    if (fault === undefined) print(report(plan, figures));
    else say(fault);
    return fault === undefined ? 0 : 1;
  } catch (error) {
    say((error as Error).message);
    return 1;
  } finally {
    await load.close();
  }
}

/** Why there is nothing to report, if so, and what to do about it. */
export function faultOf(figures: Pick<LoadFigures, "deliveries" | "refused">): string | undefined {
  const { deliveries, refused } = figures;
  if (deliveries > 0) return undefined;
  const nothing = "No message arrived during the measurement";
  if (refused === 0) return `${nothing}: use a higher --rate, or more --seconds.`;
  return (
    `${nothing}, and ${count(refused)} messages were rejected: start the server with ` +
    `MESSAGE_RATE=0, or use a --rate that it allows.`
  );
}

function report(plan: LoadPlan, figures: LoadFigures): string {
  const { seconds, messages, deliveries, latency, late, busy } = figures;
  const { expected, received, refused, closed } = figures;
  const lines = [
    `Measured for ${seconds.toFixed(2)} s:`,
    `messages    ${rate(messages, seconds)}`,
    `deliveries  ${rate(deliveries, seconds)}`,
    `latency     p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, p99.9 ${ms(latency.p999)}`,
    `The whole run, including ${WARMUP} s of warm-up:`,
    `missing     ${count(expected - received)} of ${count(expected)} deliveries`,
  ];
  if (refused > 0)
    lines.push(`rejected    ${count(refused)} messages; see MESSAGE_RATE, or --rate`);
  if (closed > 0) lines.push(`closed      ${count(closed)} connections, by the server`);
  const closedLoop = "inFlight" in plan.pace;
  if (closedLoop && busy > 0.9) {
    lines.push(`The load used ${Math.round(busy * 100)} % of a core: it may have been the limit.`);
  }
  if (late > 5) lines.push(`The load was ${ms(late)} late (p99): it may have been the limit.`);
  return lines.join("\n");
}

function rate(value: number, seconds: number): string {
  return `${count(value)} (${count(value / seconds)}/s)`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
