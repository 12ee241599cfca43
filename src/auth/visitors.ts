import { type Rate, rate, take, waitFor } from "../protocol/bucket.ts";

/** Connections of one address, or of all together. */
export interface Tally {
  connections: number;
  /** How many were refused since that was last reported, and when that was. */
  refused: number;
  reportedAt: number;
}

/** What one address, or one network of IPv6, has of the server at the moment. */
export interface Visitor extends Tally {
  readonly network: string;
  /** When its buckets will be full; see bucket.ts. */
  connectsFullAt: number;
  messagesFullAt: number;
  channelsFullAt: number;
  /** See allowance.ts. */
  answersFullAt: number;
}

/** By network. Plain data, so that it survives a reload of the code. */
export type VisitorsData = Map<string, Visitor>;

/** Why a visitor may not connect now. */
export interface TooMany {
  readonly setting: string;
  /** Seconds until it may. */
  readonly retryAfter: number;
}

interface Refused {
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
  /** First messages into channels that have none. */
  readonly channels: Rate;
}

/** A connection that closes makes room at any time, so this is only a guess: seconds. */
export const CLOSES_IN = 10;

export function visitorLimits(config: {
  readonly ipConnections: number;
  readonly ipConnectionRate: number;
  readonly ipConnectionBurst: number;
  readonly ipMessageRate: number;
  readonly ipMessageBurst: number;
  readonly ipChannelRate: number;
  readonly ipChannelBurst: number;
}): VisitorLimits {
  return {
    connections: config.ipConnections,
    connects: rate(config.ipConnectionRate, config.ipConnectionBurst),
    messages: rate(config.ipMessageRate, config.ipMessageBurst),
    channels: rate(config.ipChannelRate, config.ipChannelBurst),
  };
}

/**
 * One message from a visitor.
 *
 * @param begins whether its channel has none yet
 * @returns the setting that forbids it now, if one does
 */
export function spendMessage(
  visitor: Visitor,
  begins: boolean,
  { messages, channels }: VisitorLimits,
  now: number,
): "IP_MESSAGE_RATE" | "IP_CHANNEL_RATE" | undefined {
  const messagesFullAt = take(messages, visitor.messagesFullAt, now);
  if (messagesFullAt === -1) return "IP_MESSAGE_RATE";
  if (begins) {
    const channelsFullAt = take(channels, visitor.channelsFullAt, now);
    if (channelsFullAt === -1) return "IP_CHANNEL_RATE";
    visitor.channelsFullAt = channelsFullAt;
  }
  visitor.messagesFullAt = messagesFullAt;
  return undefined;
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
  enter(network: string, now: number): Visitor | (TooMany & Refused) {
    const visitor = this.#data.get(network) ?? newVisitor(network);
    const tooMany = this.#tooMany(visitor, now);
    if (tooMany !== undefined) return { ...tooMany, refused: refuse(visitor, now) };
    visitor.connectsFullAt = take(this.#limits.connects, visitor.connectsFullAt, now);
    visitor.connections++;
    this.#data.set(network, visitor);
    return visitor;
  }

  /** Why one more connection would be refused now, if so. */
  refusal(network: string, now: number): TooMany | undefined {
    const visitor = this.#data.get(network);
    return visitor && this.#tooMany(visitor, now);
  }

  #tooMany(visitor: Visitor, now: number): TooMany | undefined {
    const { connections, connects } = this.#limits;
    if (connections > 0 && visitor.connections >= connections) {
      return { setting: "IP_CONNECTIONS", retryAfter: CLOSES_IN };
    }
    const wait = waitFor(connects, visitor.connectsFullAt, now);
    if (wait === 0) return undefined;
    return { setting: "IP_CONNECTION_RATE", retryAfter: Math.ceil(wait / 1000) };
  }

  leave(visitor: Visitor): void {
    visitor.connections--;
  }

  /** Forgets addresses with no connections and full buckets. */
  sweep(now: number): void {
    for (const [network, visitor] of this.#data) {
      const { connections, connectsFullAt, messagesFullAt, channelsFullAt, answersFullAt } =
        visitor;
      const fullAt = Math.max(connectsFullAt, messagesFullAt, channelsFullAt, answersFullAt);
      if (connections === 0 && fullAt <= now) this.#data.delete(network);
    }
  }
}

function newVisitor(network: string): Visitor {
  const buckets = { connectsFullAt: 0, messagesFullAt: 0, channelsFullAt: 0, answersFullAt: 0 };
  return { network, ...createTally(), ...buckets };
}

export function createTally(): Tally {
  return { connections: 0, refused: 0, reportedAt: -Infinity };
}

/** Counts a refusal. @returns how many to report now */
export function refuse(tally: Tally, now: number): number {
  tally.refused++;
  if (now - tally.reportedAt < REPORT) return 0;
  const { refused } = tally;
  tally.refused = 0;
  tally.reportedAt = now;
  return refused;
}
