import { addressOf, clientOf, isIn, isPrivate, networkOf } from "../auth/address.ts";
import { hasChannel } from "../auth/channels.ts";
import { allowsHost, allowsOrigin } from "../auth/origins.ts";
import {
  createTally,
  refuse,
  type Tally,
  type TooMany,
  type Visitor,
  visitorLimits,
  Visitors,
  type VisitorsData,
} from "../auth/visitors.ts";
import type { Config } from "../config.ts";
import { badHost, badOrigin, full, noChannel, stopping, tooMany } from "../http/answers.ts";
import type { Log } from "../log.ts";
import { openFileLimit } from "../open-files.ts";
import { SUBPROTOCOL } from "../protocol/limits.ts";

/** The facts of a connection that may come in. */
export interface Admitted {
  readonly channel: string;
  /** Whether it speaks `shoal.v1`. */
  readonly v1: boolean;
  /** Its address among the limits; undefined if it is private, which has none. */
  readonly visitor: Visitor | undefined;
}

/** Plain data, so that it survives a reload of the code. */
export interface AdmissionData {
  readonly visitors: VisitorsData;
  readonly total: Tally;
}

export function createAdmissionData(): AdmissionData {
  return { visitors: new Map(), total: createTally() };
}

/** The default of MAX_CONNECTIONS, as a share of the limit on open files. */
const SHARE = 0.8;
/** The origin in a Referer. Parsing a URL with many marks in its host would take quadratic time. */
const REFERER = /^https?:\/\/[\w.:[\]-]+/i;
const FORWARDING = ["x-forwarded-for", "forwarded", "x-real-ip"];

/** The one step between a request and a connection: every way into a channel passes it. */
export class Admission {
  readonly #config: Config;
  readonly #visitors: Visitors;
  readonly #total: Tally;
  /** How many connections there may be in all. */
  readonly #most: number;
  readonly #log: Log;
  #draining = false;
  #warned = false;

  constructor(config: Config, { visitors, total }: AdmissionData, log: Log) {
    this.#config = config;
    this.#visitors = new Visitors(visitors, visitorLimits(config));
    this.#total = total;
    this.#most = config.maxConnections || Math.floor(openFileLimit() * SHARE);
    this.#log = log;
  }

  /**
   * @param peer the socket's address; undefined on a unix socket
   * @returns the connection's facts, or the answer to a request that is refused
   */
  admit(
    request: Request,
    channel: string,
    peer: string | undefined,
    now: number,
  ): Admitted | Response {
    const refusal = this.refusal(request, channel);
    if (refusal !== undefined) return refusal;
    if (this.#draining) return stopping();
    if (this.#total.connections >= this.#most) {
      const refused = refuse(this.#total, now);
      const setting = "MAX_CONNECTIONS";
      if (refused > 0) this.#log.warn("connections refused", { setting, refused });
      return full();
    }
    const offers = request.headers.get("sec-websocket-protocol") ?? "";
    const v1 = offers.split(",").some((offer) => offer.trim() === SUBPROTOCOL);
    const address = this.#limited(request, peer);
    let visitor: Visitor | undefined;
    if (address === undefined) {
      this.#warnOfProxy(request, peer);
    } else {
      const entered = this.#visitors.enter(networkOf(address), now);
      if ("setting" in entered) {
        const { setting, refused } = entered;
        if (refused > 0) this.#log.info("connections refused", { address, setting, refused });
        return tooManyFrom(entered);
      }
      visitor = entered;
    }
    this.#total.connections++;
    return { channel, v1, visitor };
  }

  /** What {@link admit} would answer now, if that is a refusal. Nothing is counted. */
  preview(
    request: Request,
    channel: string,
    peer: string | undefined,
    now: number,
  ): Response | undefined {
    const { headers } = request;
    // A handshake always has the Origin of its page; a GET, only if that is another site's.
    const referer = REFERER.exec(headers.get("referer") ?? "");
    const origin = headers.get("origin") ?? referer?.[0] ?? null;
    const refusal = this.refusal(request, channel, origin);
    if (refusal !== undefined) return refusal;
    if (this.#draining) return stopping();
    if (this.#total.connections >= this.#most) return full();
    const address = this.#limited(request, peer);
    const limit = address && this.#visitors.refusal(networkOf(address), now);
    return limit ? tooManyFrom(limit) : undefined;
  }

  /** The refusal that applies to every address, if any. */
  refusal(
    { headers }: Request,
    channel: string,
    origin: string | null = headers.get("origin"),
  ): Response | undefined {
    const { origins, channels } = this.#config;
    const host = headers.get("host") ?? "";
    if (!allowsHost(origins, host)) return badHost(host);
    if (!allowsOrigin(origins, origin)) return badOrigin(origin ?? "");
    if (!hasChannel(channels, channel)) return noChannel();
    return undefined;
  }

  leave(visitor: Visitor | undefined): void {
    this.#total.connections--;
    if (visitor !== undefined) this.#visitors.leave(visitor);
  }

  /** Call it about every second. */
  sweep(now: number): void {
    this.#visitors.sweep(now);
  }

  /** Admits nobody from now on. */
  drain(): void {
    this.#draining = true;
  }

  /** The client's address; undefined if it has no limits. */
  #limited({ headers }: Request, peer: string | undefined): string | undefined {
    const { trustedProxies, proxyHeader } = this.#config;
    const address = clientOf(peer, headers, trustedProxies, proxyHeader);
    return address === undefined || isPrivate(address) ? undefined : address;
  }

  /** A proxy that nobody declared makes all its clients one private address, which has no limits. */
  #warnOfProxy({ headers }: Request, peer: string | undefined): void {
    const header = FORWARDING.find((name) => headers.has(name));
    const address = peer === undefined ? undefined : addressOf(peer);
    if (this.#warned || header === undefined || address === undefined) return;
    if (isIn(this.#config.trustedProxies, address)) return;
    this.#warned = true;
    const advice = "set TRUSTED_PROXIES, and PROXY_HEADER if needed, so that addresses have limits";
    this.#log.warn("a private address sends a forwarding header", { header, advice });
  }
}

function tooManyFrom({ setting, retryAfter }: TooMany): Response {
  const sentence = `Too many connections from your address (${setting}). Try again in a moment.`;
  return tooMany(429, sentence, retryAfter);
}
