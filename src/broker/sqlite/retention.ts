import type { BrokerOptions } from "../broker.ts";
import type { Log } from "../../log.ts";
import type { Retention } from "./orders.ts";

/** How long a lower limit waits before it deletes anything, in milliseconds. */
export const GRACE = 60 * 60_000;

/** What the settings ask the file to keep. */
export function retentionOf({ rules }: Pick<BrokerOptions, "rules">): Retention {
  const { limit, ttl, age = Infinity, size = Infinity } = rules.history;
  const ends = (value: number) => (value === Infinity ? 0 : Math.max(value, 1));
  return { limit, ttl: ends(ttl) / 1000, age: ends(age) / 1000, size: ends(size) };
}

/**
 * What the file keeps to after a start. A setting that was lowered by mistake must not delete what
 * nobody can bring back, so it waits until the server has run with it for an hour.
 *
 * @param before what the server before this one kept to
 */
export function retentionAfter(
  before: Partial<Retention>,
  options: BrokerOptions & { readonly log: Log },
): { readonly retention: Retention; readonly loweredAt: number | undefined } {
  const wanted = retentionOf(options);
  const retention = {
    limit: Math.max(wanted.limit, before.limit ?? 0),
    ttl: longer(wanted.ttl, before.ttl),
    age: longer(wanted.age, before.age),
    size: longer(wanted.size, before.size),
  };
  const lowered = Object.entries(retention).flatMap(([key, value]) =>
    value === wanted[key as keyof Retention] ? [] : [key],
  );
  if (lowered.length === 0) return { retention, loweredAt: undefined };
  const settings = lowered.map((key) => SETTING[key as keyof Retention]).join(", ");
  const advice = "less is kept than before: what is too much is deleted in an hour, for good";
  options.log.warn("history limits were lowered", { settings, advice });
  return { retention, loweredAt: options.clock() };
}

const SETTING: Record<keyof Retention, string> = {
  limit: "HISTORY_LIMIT",
  ttl: "HISTORY_TTL",
  age: "HISTORY_AGE",
  size: "DATABASE_SIZE",
};

/** The larger of two limits, where 0 is none. */
function longer(wanted: number, before = wanted): number {
  return wanted === 0 || before === 0 ? 0 : Math.max(wanted, before);
}
