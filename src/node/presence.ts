import type { Awaitable, PresenceChange } from "../broker/broker.ts";
import { presenceFrame, rosterFrame } from "../protocol/encode.ts";
import type { Roster } from "../broker/broker.ts";

/**
 * Tells those who asked who is in their channel. What changes is gathered for a moment and told in
 * one frame, so that a thousand arrivals cost a few frames and not a thousand. Who asks is answered
 * between two such frames: what they are told then holds all changes before, and none after.
 */

/** How long changes are gathered, in milliseconds. */
export const GATHER = 250;
/** With more names than this nobody is told names any more, only the count... */
export const NAMES_MOST = 1000;
/** ...until there are this few again, so that a channel at the border does not flicker. */
export const NAMES_AGAIN = 900;

/** What those who watch a channel know of it, and what they will be told next. */
interface Watch<C> {
  readonly channel: string;
  readonly watchers: Set<C>;
  /** Those who asked and are to be answered. */
  readonly asking: Set<C>;
  /** Whether the roster is on its way from the broker. */
  fetching: boolean;
  /** When the oldest change that was not told has come; undefined where there is none. */
  since: number | undefined;
  readonly joined: Set<string>;
  readonly left: Set<string>;
  /** Connections and names in the channel, and what the watchers were told of them. */
  count: number;
  names: number;
  toldCount: number;
  toldNames: boolean;
}

/** Plain data, so that it survives a reload of the code. */
export type PresenceData<C> = Map<string, Watch<C>>;

export interface PresenceEffects<C> {
  roster(channel: string): Awaitable<Required<Roster>>;
  /** Tells everyone who watches the channel. */
  publish(channel: string, frame: string): void;
  /** Tells one, who watches from now on. */
  answer(connection: C, frame: string): void;
  failed(error: unknown): void;
}

export interface Presence<C> {
  /** A connection asks to be told. */
  ask(channel: string, connection: C): void;
  /** A connection is gone. */
  unwatch(channel: string, connection: C): void;
  /** The broker says that something changed. */
  change(channel: string, change: PresenceChange, now: number): void;
  /** Tells what was gathered for long enough. To be called more often than {@link GATHER}. */
  flush(now: number): void;
}

function newWatch<C>(channel: string): Watch<C> {
  return {
    channel,
    watchers: new Set(),
    asking: new Set(),
    fetching: false,
    since: undefined,
    joined: new Set(),
    left: new Set(),
    count: 0,
    names: 0,
    toldCount: 0,
    toldNames: true,
  };
}

export function createPresence<C>(data: PresenceData<C>, effects: PresenceEffects<C>): Presence<C> {
  /** Gets the roster, which holds every change until now, and tells everybody where they stand. */
  function tell(watch: Watch<C>): void {
    if (watch.asking.size === 0 && !becomesNamed(watch)) return tellChanges(watch);
    const roster = effects.roster(watch.channel);
    if (!(roster instanceof Promise)) return tellRoster(watch, roster);
    watch.fetching = true;
    roster
      .then((known) => tellRoster(watch, known))
      .catch((error: unknown) => {
        // The next flush asks again.
        watch.since ??= 0;
        effects.failed(error);
      })
      .finally(() => {
        watch.fetching = false;
      });
  }

  function becomesNamed(watch: Watch<C>): boolean {
    return !watch.toldNames && watch.names <= NAMES_AGAIN;
  }

  function tellChanges(watch: Watch<C>): void {
    const { channel, count, joined, left } = watch;
    const changed = watch.toldCount !== count;
    if (watch.toldNames && watch.names <= NAMES_MOST) {
      if (changed || joined.size > 0 || left.size > 0) {
        effects.publish(channel, presenceFrame(count, [...joined], [...left]));
      }
    } else if (changed || watch.toldNames) {
      effects.publish(channel, rosterFrame(count));
      watch.toldNames = false;
    }
    watch.toldCount = count;
    joined.clear();
    left.clear();
    watch.since = undefined;
  }

  function tellRoster(watch: Watch<C>, roster: Required<Roster>): void {
    const first = watch.watchers.size === 0;
    const again = becomesNamed(watch);
    watch.count = roster.count;
    watch.names = roster.names.length;
    if (first) watch.toldNames = watch.names <= NAMES_MOST;
    else if (again) {
      watch.toldNames = true;
      effects.publish(watch.channel, rosterFrame(roster.count, roster.names));
    }
    if (first || again) {
      watch.toldCount = watch.count;
      watch.joined.clear();
      watch.left.clear();
    }
    tellChanges(watch);
    const frame = rosterFrame(roster.count, watch.toldNames ? roster.names : undefined);
    for (const connection of watch.asking) {
      watch.watchers.add(connection);
      effects.answer(connection, frame);
    }
    watch.asking.clear();
  }

  return {
    ask(channel, connection) {
      const watch = data.getOrInsertComputed(channel, newWatch<C>);
      watch.asking.add(connection);
      if (watch.since === undefined && !watch.fetching) tell(watch);
    },

    unwatch(channel, connection) {
      const watch = data.get(channel);
      if (watch === undefined) return;
      watch.asking.delete(connection);
      watch.watchers.delete(connection);
      if (watch.watchers.size === 0 && watch.asking.size === 0) data.delete(channel);
    },

    change(channel, { count, joined, left }, now) {
      const watch = data.get(channel);
      if (watch === undefined) return;
      watch.since ??= now;
      watch.count = count;
      for (const name of left ?? []) {
        watch.names--;
        if (!watch.joined.delete(name)) watch.left.add(name);
      }
      if (joined !== undefined) {
        watch.names++;
        if (!watch.left.delete(joined)) watch.joined.add(joined);
      }
    },

    flush(now) {
      for (const watch of data.values()) {
        if (watch.since === undefined || watch.fetching) continue;
        if (now - watch.since >= GATHER) tell(watch);
      }
    },
  };
}
