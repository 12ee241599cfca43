import type { Sessions } from "../auth/sessions.ts";
import { visitorLimits } from "../auth/visitors.ts";
import type { Rules } from "../commands/decide.ts";
import type { Config } from "../config.ts";
import { rate } from "../protocol/bucket.ts";
import type { Terms } from "../protocol/encode.ts";

/** What the settings mean for connections. */

/** An answer to a heartbeat costs little, and many at once do no harm. */
const HEARTBEATS = { rate: 10, burst: 100 };
export function rulesOf(config: Config, sessions: Sessions): Rules {
  return {
    textLimit: config.textLimit,
    frames: rate(config.messageRate, config.messageBurst),
    heartbeats: rate(HEARTBEATS.rate, HEARTBEATS.burst),
    visitors: visitorLimits(config),
    sessions,
  };
}

/** What a client of `shoal.v1` is told of them. */
export function termsOf(config: Config): Terms {
  return {
    heartbeat: config.heartbeatInterval,
    limits: {
      text: config.textLimit,
      rate: config.messageRate,
      burst: config.messageBurst,
      history: config.historyLimit,
    },
  };
}
