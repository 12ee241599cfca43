import {
  type BrokerOptions,
  type Claim,
  type Holder,
  type Release,
  type Roster,
  MAX_ROSTER,
} from "../broker.ts";

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
  /** When it was first taken, in milliseconds since the epoch. */
  since: number;
  /** Until when it is kept; 0 while it is held. */
  until: number;
}

/** The connections and names of one channel. */
interface Members {
  count: number;
  /** By the key of the name. */
  readonly holds: Map<string, Hold>;
}

interface Place {
  readonly channel: string;
  readonly key: string;
}

/** Plain data, so that it survives a reload of the code. */
export interface NamesData {
  readonly channels: Map<string, Members>;
  /** The names that are only kept, the oldest first. */
  readonly kept: Map<Hold, Place>;
}

export function createNamesData(): NamesData {
  return { channels: new Map(), kept: new Map() };
}

/** Names that a node keeps at once. */
const MAX_KEPT = 1000;

export interface NamesOptions extends Omit<BrokerOptions, "events"> {
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

  /** @returns whether the holder has the name now */
  claim(channel: string, claim: Claim): boolean {
    const { holder, name, session } = claim;
    const members = this.#membersOf(channel);
    const before = members.holds.get(name.key);
    const evicted = before?.holder === holder ? undefined : before?.holder;
    if (before !== undefined && before.holder !== holder) {
      if (session === undefined || before.session !== session) return false;
      this.#data.kept.delete(before);
    }
    const left: string[] = [];
    if (before !== undefined && before.shown !== name.shown) left.push(before.shown);
    const joined = before?.shown === name.shown ? undefined : name.shown;
    const old = this.#endHeld(channel, members, claim);
    if (old !== undefined) left.push(old);
    const since = before?.since ?? this.#options.clock();
    this.#hold(channel, members, name.key, { shown: name.shown, holder, session, since, until: 0 });
    if (evicted !== undefined) this.#options.events.evicted(channel, evicted, "replaced");
    if (joined !== undefined || left.length > 0) {
      this.#options.events.presence(channel, { count: members.count, joined, left });
    }
    if (session !== undefined) this.giveUp(channel, session);
    return true;
  }

  release(channel: string, { holder, key, keep }: Release): void {
    const hold = this.#data.channels.get(channel)?.holds.get(key);
    if (hold === undefined || hold.holder !== holder) return;
    const { grace, heldFor } = this.#options.rules.names;
    const now = this.#options.clock();
    const mayReturn = keep && hold.session !== undefined && grace > 0;
    if (!mayReturn || now - hold.since < heldFor || this.#data.kept.size >= MAX_KEPT) {
      return this.#free(hold, { channel, key });
    }
    hold.holder = undefined;
    hold.until = now + grace;
    this.#data.kept.set(hold, { channel, key });
    this.#options.onChange?.(channel, key, hold);
  }

  giveUp(channel: string, session: string): void {
    for (const [hold, place] of this.#data.kept) {
      if (hold.session === session && place.channel === channel) this.#free(hold, place);
    }
  }

  /**
   * Keeps a name from an earlier life of this node until `until`.
   * @returns whether there was room for it
   */
  restore(channel: string, key: string, hold: Omit<Hold, "holder">): boolean {
    if (this.#data.kept.size >= MAX_KEPT) return false;
    const kept = { ...hold, holder: undefined };
    this.#membersOf(channel).holds.set(key, kept);
    this.#data.kept.set(kept, { channel, key });
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
    for (const [hold, place] of this.#data.kept) {
      if (hold.until <= now) this.#free(hold, place);
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
    this.#data.kept.delete(hold);
    members.holds.delete(key);
    this.#forgetIfEmpty(channel, members);
    if (hold.session !== undefined) this.#options.onChange?.(channel, key, undefined);
  }

  /** Frees a name and announces it. */
  #free(hold: Hold, { channel, key }: Place): void {
    const members = this.#membersOf(channel);
    this.#end(channel, members, key, hold);
    this.#options.events.presence(channel, { count: members.count, left: [hold.shown] });
  }
}
