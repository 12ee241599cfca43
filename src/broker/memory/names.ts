import {
  type BrokerOptions,
  type Claim,
  type Holder,
  type Release,
  type Roster,
  MAX_ROSTER,
} from "../broker.ts";
import {
  addItem,
  createShares,
  firstToGo,
  type Item,
  removeItem,
  RESTORED,
  type Shares,
} from "./shares.ts";

/**
 * Who is in which channel under which name, for brokers that keep this in memory. A name is held by
 * one connection, or kept for a session whose connection broke off.
 */

/** One name that is not free. */
export interface Hold {
  shown: string;
  /** undefined while the name is only kept. */
  holder: Holder | undefined;
  session: string | undefined;
  /** When it was first taken, in milliseconds. */
  since: number;
}

/** The connections and names of one channel. */
interface Members {
  count: number;
  /** By the key of the name. */
  readonly holds: Map<string, Hold>;
}

/** A name that is only kept. */
interface Kept {
  readonly channel: string;
  readonly key: string;
  readonly hold: Hold;
  readonly until: number;
}

/** Plain data, so that it survives a reload of the code. */
export interface NamesData {
  readonly channels: Map<string, Members>;
  /** The names that are only kept, the oldest first. */
  readonly kept: Map<Hold, Item<Kept>>;
  readonly shares: Shares<Kept>;
}

export function createNamesData(): NamesData {
  return { channels: new Map(), kept: new Map(), shares: createShares() };
}

/** Names that a node keeps at once. */
const MAX_KEPT = 1000;

export interface NamesOptions extends Pick<BrokerOptions, "rules" | "clock"> {
  readonly events: Pick<BrokerOptions["events"], "presence" | "evicted">;
  /** Hears of each hold of a session that was made, changed or, with undefined, ended. */
  readonly onChange?: (channel: string, key: string, hold: Hold | undefined) => void;
}

export class Names {
  readonly #data: NamesData;
  readonly #options: NamesOptions;

  constructor(data: NamesData, options: NamesOptions) {
    this.#data = data;
    this.#options = options;
  }

  /** @returns whether the connection is the first in the channel */
  join(channel: string): boolean {
    const members = this.#membersOf(channel);
    members.count++;
    this.#options.events.presence(channel, { count: members.count });
    return members.count === 1;
  }

  /** @returns whether the connection was the last in the channel */
  leave(channel: string): boolean {
    const members = this.#membersOf(channel);
    members.count--;
    this.#forgetIfEmpty(channel, members);
    this.#options.events.presence(channel, { count: members.count });
    return members.count === 0;
  }

  /** Whether somebody is in a channel. */
  isOccupied(channel: string): boolean {
    return (this.#data.channels.get(channel)?.count ?? 0) > 0;
  }

  /** @returns whether the holder has the name now */
  claim(channel: string, claim: Claim): boolean {
    const { holder, name, session } = claim;
    const members = this.#membersOf(channel);
    const before = members.holds.get(name.key);
    const evicted = before?.holder === holder ? undefined : before?.holder;
    if (before !== undefined && before.holder !== holder) {
      if (session === undefined || before.session !== session) return false;
      this.#unkeep(before);
    }
    const left: string[] = [];
    if (before !== undefined && before.shown !== name.shown) left.push(before.shown);
    const joined = before?.shown === name.shown ? undefined : name.shown;
    const old = this.#endHeld(channel, members, claim);
    if (old !== undefined) left.push(old);
    const since = before?.since ?? this.#options.clock();
    this.#hold(channel, members, name.key, { shown: name.shown, holder, session, since });
    if (evicted !== undefined) this.#options.events.evicted(channel, evicted, "replaced");
    if (joined !== undefined || left.length > 0) {
      this.#options.events.presence(channel, { count: members.count, joined, left });
    }
    if (session !== undefined) this.giveUp(channel, session);
    return true;
  }

  release(channel: string, { holder, key, keep, network }: Release): void {
    const hold = this.#data.channels.get(channel)?.holds.get(key);
    if (hold === undefined || hold.holder !== holder) return;
    const { grace, heldFor } = this.#options.rules.names;
    const now = this.#options.clock();
    const kept = { channel, key, hold, until: now + grace };
    const mayReturn = keep && hold.session !== undefined && grace > 0;
    if (!mayReturn || now - hold.since < heldFor) return this.#free(kept);
    if (this.#data.kept.size >= MAX_KEPT) this.#free(firstToGo(this.#data.shares)!.value);
    hold.holder = undefined;
    this.#keep(kept, network);
  }

  giveUp(channel: string, session: string): void {
    for (const { value } of this.#data.kept.values()) {
      if (value.hold.session === session && value.channel === channel) this.#free(value);
    }
  }

  /**
   * Keeps a name that a session held or was kept for in an earlier life of this node.
   * @returns whether it was held for long enough, and there was room for it
   */
  restore(channel: string, key: string, hold: Hold): boolean {
    const { grace, heldFor } = this.#options.rules.names;
    const now = this.#options.clock();
    const mayReturn = grace > 0 && now - hold.since >= heldFor;
    if (!mayReturn || this.#data.kept.size >= MAX_KEPT) return false;
    this.#membersOf(channel).holds.set(key, hold);
    this.#keep({ channel, key, hold, until: now + grace }, RESTORED);
    return true;
  }

  roster(channel: string): Roster {
    const members = this.#data.channels.get(channel);
    if (members === undefined) return { count: 0, named: 0, names: [] };
    const { count, holds } = members;
    const few = holds.size <= MAX_ROSTER;
    const names = few ? Array.from(holds.values(), ({ shown }) => shown) : undefined;
    return { count, named: holds.size, names };
  }

  /** Frees the names that were kept for long enough. */
  expire(): void {
    const now = this.#options.clock();
    for (const { value } of this.#data.kept.values()) {
      if (value.until <= now) this.#free(value);
    }
  }

  #membersOf(channel: string): Members {
    return this.#data.channels.getOrInsertComputed(channel, () => ({
      count: 0,
      holds: new Map(),
    }));
  }

  #forgetIfEmpty(channel: string, { count, holds }: Members): void {
    if (count === 0 && holds.size === 0) this.#data.channels.delete(channel);
  }

  /** Ends the hold on the name that a claim replaces. @returns how it was shown */
  #endHeld(channel: string, members: Members, { holder, name, held }: Claim): string | undefined {
    if (held === undefined || held === name.key) return undefined;
    const old = members.holds.get(held);
    if (old === undefined || old.holder !== holder) return undefined;
    this.#end(channel, members, held, old);
    return old.shown;
  }

  #hold(channel: string, members: Members, key: string, next: Hold): void {
    const hold = members.holds.get(key);
    if (hold === undefined) members.holds.set(key, next);
    else Object.assign(hold, next);
    if (next.session !== undefined) this.#options.onChange?.(channel, key, next);
  }

  #end(channel: string, members: Members, key: string, hold: Hold): void {
    this.#unkeep(hold);
    members.holds.delete(key);
    this.#forgetIfEmpty(channel, members);
    if (hold.session !== undefined) this.#options.onChange?.(channel, key, undefined);
  }

  #keep(kept: Kept, network: string | undefined): void {
    this.#data.kept.set(kept.hold, addItem(this.#data.shares, kept, network));
  }

  #unkeep(hold: Hold): void {
    const item = this.#data.kept.get(hold);
    if (item === undefined) return;
    this.#data.kept.delete(hold);
    removeItem(this.#data.shares, item);
  }

  /** Frees a name and announces it. */
  #free({ channel, key, hold }: Omit<Kept, "until">): void {
    const members = this.#membersOf(channel);
    this.#end(channel, members, key, hold);
    this.#options.events.presence(channel, { count: members.count, left: [hold.shown] });
  }
}
