import type { BrokerEvents, Claim, Clock, Holder, Release } from "./broker.ts";

/**
 * Who is in which channel under which name, for brokers that keep this in memory. A name is held
 * by one connection, or kept for a session whose connection broke off.
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

interface Room {
  count: number;
  /** By the key of the name. */
  readonly holds: Map<string, Hold>;
}

/** Plain data, so that it survives a reload of the code. */
export interface NamesData {
  readonly rooms: Map<string, Room>;
  /** What is only kept, the oldest first. */
  readonly kept: Map<Hold, { channel: string; key: string }>;
}

export function createNamesData(): NamesData {
  return { rooms: new Map(), kept: new Map() };
}

export interface NamesRules {
  /** How long a name is kept for its session, in milliseconds; 0 for not at all. */
  readonly grace: number;
  /** How long it must have been held for that, in milliseconds. */
  readonly heldFor: number;
}

/** Names that are kept at once, on a node. */
const KEPT_MOST = 1000;

export interface Names {
  join(channel: string): void;
  leave(channel: string): void;
  claim(channel: string, claim: Claim): boolean;
  release(channel: string, release: Release): void;
  giveUp(channel: string, session: string): void;
  /**
   * Keeps a name from an earlier life of this node until `until`.
   * @returns whether there was room for it
   */
  restore(channel: string, key: string, hold: Omit<Hold, "holder">): boolean;
  roster(channel: string): { count: number; names: string[] };
  /** Frees what was kept for long enough. */
  expire(): void;
}

/** @param changed is told of each hold that was made, changed or, with undefined, ended */
export function createNames(
  data: NamesData,
  rules: NamesRules,
  clock: Clock,
  events: Pick<BrokerEvents, "presence" | "replaced">,
  changed?: (channel: string, key: string, hold: Hold | undefined) => void,
): Names {
  function roomOf(channel: string): Room {
    return data.rooms.getOrInsertComputed(channel, () => ({ count: 0, holds: new Map() }));
  }

  function end(channel: string, room: Room, key: string, hold: Hold): void {
    data.kept.delete(hold);
    room.holds.delete(key);
    if (room.count === 0 && room.holds.size === 0) data.rooms.delete(channel);
    if (hold.session !== undefined) changed?.(channel, key, undefined);
  }

  /** Makes a name free, and tells it. */
  function free(hold: Hold, { channel, key }: { channel: string; key: string }): void {
    const room = roomOf(channel);
    end(channel, room, key, hold);
    events.presence(channel, { count: room.count, left: [hold.shown] });
  }

  function giveUp(channel: string, session: string): void {
    for (const [hold, place] of data.kept) {
      if (hold.session === session && place.channel === channel) free(hold, place);
    }
  }

  return {
    join(channel) {
      const room = roomOf(channel);
      room.count++;
      events.presence(channel, { count: room.count });
    },

    leave(channel) {
      const room = roomOf(channel);
      room.count--;
      if (room.count === 0 && room.holds.size === 0) data.rooms.delete(channel);
      events.presence(channel, { count: room.count });
    },

    claim(channel, { holder, name, held, session }) {
      const room = roomOf(channel);
      const hold = room.holds.get(name.key);
      const before = hold?.holder;
      if (hold !== undefined && before !== holder) {
        if (session === undefined || hold.session !== session) return false;
        data.kept.delete(hold);
      }
      const left: string[] = [];
      if (hold !== undefined && hold.shown !== name.shown) left.push(hold.shown);
      const old = held === undefined || held === name.key ? undefined : room.holds.get(held);
      if (held !== undefined && old?.holder === holder) {
        left.push(old.shown);
        end(channel, room, held, old);
      }
      const joined = hold?.shown === name.shown ? undefined : name.shown;
      const since = hold?.since ?? clock();
      const next: Hold = { shown: name.shown, holder, session, since, until: 0 };
      if (hold === undefined) room.holds.set(name.key, next);
      else Object.assign(hold, next);
      if (session !== undefined) changed?.(channel, name.key, next);
      if (before !== undefined && before !== holder) events.replaced(channel, before);
      if (joined !== undefined || left.length > 0) {
        events.presence(channel, { count: room.count, joined, left });
      }
      if (session !== undefined) giveUp(channel, session);
      return true;
    },

    release(channel, { holder, key, keep }) {
      const hold = data.rooms.get(channel)?.holds.get(key);
      if (hold === undefined || hold.holder !== holder) return;
      const now = clock();
      const longEnough = now - hold.since >= rules.heldFor;
      if (keep && hold.session !== undefined && longEnough && rules.grace > 0) {
        if (data.kept.size < KEPT_MOST) {
          hold.holder = undefined;
          hold.until = now + rules.grace;
          data.kept.set(hold, { channel, key });
          changed?.(channel, key, hold);
          return;
        }
      }
      free(hold, { channel, key });
    },

    giveUp,

    restore(channel, key, hold) {
      if (data.kept.size >= KEPT_MOST) return false;
      const kept = { ...hold, holder: undefined };
      roomOf(channel).holds.set(key, kept);
      data.kept.set(kept, { channel, key });
      return true;
    },

    roster(channel) {
      const room = data.rooms.get(channel);
      const names = room === undefined ? [] : Array.from(room.holds.values(), (hold) => hold.shown);
      return { count: room?.count ?? 0, names };
    },

    expire() {
      const now = clock();
      for (const [hold, place] of data.kept) {
        if (hold.until <= now) free(hold, place);
      }
    },
  };
}
