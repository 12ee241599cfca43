import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import type { Broker, BrokerEvents, BrokerRules } from "./broker.ts";
import { type MemoryData, openMemory } from "./memory/memory.ts";
import type { SqliteData } from "./sqlite/data.ts";
import { openSqlite } from "./sqlite/sqlite.ts";

/** What the brokers know, each in a place of its own: it survives a reload of the code. */
export interface BrokerData {
  memory?: MemoryData;
  sqlite?: SqliteData;
}

/**
 * Opens the broker that the settings ask for.
 *
 * @throws with a sentence if the database cannot be used
 */
export async function openBroker(
  data: BrokerData,
  config: Config,
  events: BrokerEvents,
  log: Log,
): Promise<Broker> {
  const clocks = { clock: () => performance.now(), date: Date.now };
  const options = { rules: rulesOf(config), ...clocks, events, log };
  return config.database === ""
    ? openMemory(data, options)
    : openSqlite(data, config.database, options);
}

/** What the settings ask of a broker. */
export function rulesOf(config: Config): BrokerRules {
  return {
    history: {
      limit: config.historyLimit,
      ttl: config.historyTtl * 1000,
      memory: config.historyMemory,
      age: config.historyAge * 1000,
      size: config.databaseSize,
    },
    names: { grace: config.sessionGrace * 1000, heldFor: config.heartbeatInterval * 1000 },
  };
}
