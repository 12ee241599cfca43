import { type Rate, rate, take, waitFor } from "../protocol/bucket.ts";

/** What one address, or one network of IPv6, has of the server at the moment. */
export interface Visitor {
  readonly network: string;
  connections: number;
  /** When its buckets will be full; see bucket.ts. */
  connectsFullAt: number;
  messagesFullAt: number;
  /** How many connections were refused since that was last reported, and when that was. */
  refused: number;
  reportedAt: number;
}

/** By network. Plain data, so that it survives a reload of the code. */
export type VisitorsData = Map<string, Visitor>;

/** Why a visitor may not connect now. */
export interface TooMany {
  readonly setting: string;
  /** Seconds until it may. */
  readonly retryAfter: number;
  /** How many were refused since the last report; 0 if it is too early for one. */
  readonly refused: number;
}

/** How often refusals are reported, in milliseconds. */
const REPORT = 60_000;

export interface VisitorLimits {
  /** Open connections of one network; 0 for no limit. */
  readonly connections: number;
  readonly connects: Rate;
  readonly messages: Rate;
}

/** A connection that closes makes room at any time, so this is only a guess: seconds. */
const CLOSES_IN = 10;

export function visitorLimits(config: {
  readonly ipConnections: number;
  readonly ipConnectionRate: number;
  readonly ipConnectionBurst: number;
  readonly ipMessageRate: number;
  readonly ipMessageBurst: number;
}): VisitorLimits {
  return {
    connections: config.ipConnections,
    connects: rate(config.ipConnectionRate, config.ipConnectionBurst),
    messages: rate(config.ipMessageRate, config.ipMessageBurst),
  };
}

/** Counts what each address takes. Call {@link Visitors.sweep} about every second. */
export class Visitors {
  readonly #data: VisitorsData;
  readonly #limits: VisitorLimits;

  constructor(data: VisitorsData, limits: VisitorLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  /** One more connection; {@link leave} gives it back. */
  enter(network: string, now: number): Visitor | TooMany {
    const { connections, connects } = this.#limits;
    const visitor = this.#data.get(network) ?? newVisitor(network);
    if (connections > 0 && visitor.connections >= connections) {
      return { setting: "IP_CONNECTIONS", retryAfter: CLOSES_IN, refused: refuse(visitor, now) };
    }
    const fullAt = take(connects, visitor.connectsFullAt, now);
    if (fullAt === -1) {
      const wait = waitFor(connects, visitor.connectsFullAt, now);
      const retryAfter = Math.ceil(wait / 1000);
      return { setting: "IP_CONNECTION_RATE", retryAfter, refused: refuse(visitor, now) };
    }
    visitor.connectsFullAt = fullAt;
    visitor.connections++;
    this.#data.set(network, visitor);
    return visitor;
  }

  leave(visitor: Visitor): void {
    visitor.connections--;
  }

  /** Forgets addresses with no connections and full buckets. */
  sweep(now: number): void {
    for (const [network, visitor] of this.#data) {
      const { connections, connectsFullAt, messagesFullAt } = visitor;
      if (connections === 0 && connectsFullAt <= now && messagesFullAt <= now) {
        this.#data.delete(network);
      }
    }
  }
}

function newVisitor(network: string): Visitor {
  const times = { connectsFullAt: 0, messagesFullAt: 0, reportedAt: -Infinity };
  return { network, connections: 0, refused: 0, ...times };
}

/** Counts a refusal. @returns how many to report now */
function refuse(visitor: Visitor, now: number): number {
  visitor.refused++;
  if (now - visitor.reportedAt < REPORT) return 0;
  const { refused } = visitor;
  visitor.refused = 0;
  visitor.reportedAt = now;
  return refused;
}
