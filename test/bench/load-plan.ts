import type { Dialect } from "./load-wire.ts";

/** What a load does, and what it measures. */

export interface CrowdPlan {
  /** Like `ws://127.0.0.1:6060/path`; the channels are below its path. */
  readonly url: string;
  /** How many connections, spread evenly over so many channels. */
  readonly connections: number;
  readonly channels: number;
  /** What they speak: the connections of a channel take these in turn. */
  readonly dialects: readonly Dialect[];
  /** Connections that stop reading once all talk: the last ones of each channel. */
  readonly stalled?: number;
  /** Whether each takes a name, if the server has names; default: true. */
  readonly named?: boolean;
  /** How many connect at the same time; default: 256. */
  readonly abreast?: number;
}

export interface LoadPlan extends CrowdPlan {
  /** Connections of each channel that talk. */
  readonly talkers: number;
  readonly pace: Pace;
  /** Characters of a text, at least 15. */
  readonly textLength: number;
}

/**
 * Messages that each talker keeps in flight, or messages a second over all. A slow schedule would
 * meet code that is not compiled yet: with `hot`, a closed loop warms the server up before it.
 */
export type Pace =
  { readonly inFlight: number } | { readonly rate: number; readonly hot?: boolean };

export interface Window {
  /** Seconds before the measurement; twice as many if the pace is hot. */
  readonly warmup: number;
  /** Seconds of the measurement. */
  readonly seconds: number;
  /** Called when the measurement begins, and when it ends. */
  readonly mark?: () => void;
}

/** What was seen between the two marks. */
export interface Measured {
  /** How long the measurement was, in seconds. */
  readonly seconds: number;
  /** Messages sent. */
  readonly messages: number;
  /** How often a message reached a connection. */
  readonly deliveries: number;
  /** Milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly p999: number };
  /** How late messages were sent, p99 in milliseconds; 0 in a closed loop. */
  readonly late: number;
  /** The share of one core that this process used; it can be a little over 1. */
  readonly busy: number;
}

export interface LoadFigures extends Measured {
  /**
   * Over the whole run: deliveries there should have been, and were. Stalled readers do not count,
   * and neither do rejected messages.
   */
  readonly expected: number;
  readonly received: number;
  /** Messages that the server rejected, and connections that it closed. */
  readonly refused: number;
  readonly closed: number;
}
