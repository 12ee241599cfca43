import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import type { Broker, BrokerEvents, BrokerRules } from "./broker.ts";
import { type MemoryKept, openMemory } from "./memory/memory.ts";
import { openSqlite, type SqliteKept } from "./sqlite/sqlite.ts";

/** What the brokers keep through a reload of the code, each in a place of its own. */
export interface BrokerKept extends MemoryKept, SqliteKept {}

/**
 * Opens the broker that the settings ask for.
 *
 * @throws with a sentence if the database cannot be used
 */
export async function openBroker(
  kept: BrokerKept,
  config: Config,
  events: BrokerEvents,
  log: Log,
): Promise<Broker> {
  const options = { rules: rulesOf(config), clock: Date.now, events, log };
  return config.database === ""
    ? openMemory(kept, options)
    : openSqlite(kept, config.database, options);
}

function rulesOf(config: Config): BrokerRules {
  return {
    history: {
      limit: config.historyLimit,
      ttl: config.historyTtl * 1000,
      memory: config.historyMemory,
    },
    names: { grace: config.sessionGrace * 1000, heldFor: config.heartbeatInterval * 1000 },
  };
}
