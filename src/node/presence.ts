import { type Answer, type PresenceChange, type Roster, MAX_ROSTER } from "../broker/broker.ts";
import { presenceFrame, rosterFrame } from "../protocol/encode.ts";

/** How long changes are gathered, in milliseconds. */
export const GATHER = 250;
/**
 * With more names than {@link MAX_ROSTER} only the count is told, until there are this few again, so
 * that a channel at the border does not flicker.
 */
export const NAMES_AGAIN = 900;
/** With more changes in one frame, times those who are told, the count has to do until it is calmer. */
export const MAX_CHANGES = 100_000;

/** What those who watch a channel know of it, and what they are told next. */
interface Watch<L> {
  readonly channel: string;
  readonly watchers: Set<L>;
  /** Those who asked and have no answer yet. */
  readonly asking: Set<L>;
  /** Whether the roster is on its way from the broker. */
  fetching: boolean;
  /** The frame of the whole roster, as long as nothing has changed. */
  frame: string | undefined;
  /** When the oldest change that was not told has come; undefined if there is none. */
  since: number | undefined;
  readonly joined: Set<string>;
  readonly left: Set<string>;
  /** Connections and names in the channel, and what the watchers were told of them. */
  count: number;
  named: number;
  toldCount: number;
  toldNames: boolean;
  /** Whether there were too many changes at once, and the names were not told since. */
  stormy: boolean;
  /** When the names may be told to all again. */
  namesAt: number;
}

/** Plain data, so that it survives a reload of the code. */
export type PresenceData<L> = Map<string, Watch<L>>;

export interface PresenceEffects<L> {
  roster(channel: string, answer: Answer<Roster>): void;
  /** Tells everyone who watches the channel. */
  publish(channel: string, frame: string): void;
  /** Tells one listener, who watches from now on. */
  answer(listener: L, frame: string): void;
}

function newWatch<L>(channel: string): Watch<L> {
  return {
    channel,
    watchers: new Set(),
    asking: new Set(),
    fetching: false,
    frame: undefined,
    since: undefined,
    joined: new Set(),
    left: new Set(),
    count: 0,
    named: 0,
    toldCount: 0,
    toldNames: true,
    stormy: false,
    namesAt: 0,
  };
}

/**
 * Tells those who asked who is in their channel. Changes are gathered for a moment and told in one
 * frame, so that a thousand arrivals cost a few frames and not a thousand. Whoever asks is answered
 * between two such frames: the answer holds all changes before it, and none after.
 */
export class Presence<L> {
  readonly #data: PresenceData<L>;
  readonly #effects: PresenceEffects<L>;
  /** The time of the last {@link flush}. */
  #now = 0;

  constructor(data: PresenceData<L>, effects: PresenceEffects<L>) {
    this.#data = data;
    this.#effects = effects;
  }

  /** A listener asks who is here, and watches from then on. One who watches knows it already. */
  ask(channel: string, listener: L): void {
    const watch = this.#data.getOrInsertComputed(channel, newWatch<L>);
    if (watch.watchers.has(listener)) {
      const { toldCount, toldNames } = watch;
      const frame = toldNames ? presenceFrame(toldCount, [], []) : rosterFrame(toldCount);
      return this.#effects.answer(listener, frame);
    }
    watch.asking.add(listener);
    if (watch.since === undefined && !watch.fetching) this.#update(watch);
  }

  /** A listener is gone. */
  unwatch(channel: string, listener: L): void {
    const watch = this.#data.get(channel);
    if (watch === undefined) return;
    watch.asking.delete(listener);
    watch.watchers.delete(listener);
    if (watch.watchers.size === 0 && watch.asking.size === 0) this.#data.delete(channel);
  }

  /** The broker says that something changed. */
  change(channel: string, { count, joined, left }: PresenceChange, now: number): void {
    const watch = this.#data.get(channel);
    if (watch === undefined) return;
    watch.since ??= now;
    watch.frame = undefined;
    watch.count = count;
    for (const name of left ?? []) {
      watch.named--;
      if (!watch.joined.delete(name)) watch.left.add(name);
    }
    if (joined !== undefined) {
      watch.named++;
      if (!watch.left.delete(joined)) watch.joined.add(joined);
    }
  }

  /** Tells what was gathered for long enough. Call it more often than {@link GATHER}. */
  flush(now: number): void {
    this.#now = now;
    for (const watch of this.#data.values()) {
      if (watch.since === undefined || watch.fetching) continue;
      if (now - watch.since >= GATHER) this.#update(watch);
    }
  }

  /** Tells everybody what they do not know, and gets the roster if somebody needs it. */
  #update(watch: Watch<L>): void {
    const again = becomesNamed(watch) && this.#now >= watch.namesAt;
    const needed = again || (watch.asking.size > 0 && !knownCountIsEnough(watch));
    if (!needed) {
      this.#publishChanges(watch);
      if (!watch.toldNames) watch.frame = rosterFrame(watch.count);
    }
    if (!needed || (!again && watch.frame !== undefined)) return this.#answer(watch);
    watch.fetching = true;
    this.#effects.roster(watch.channel, (roster) => {
      watch.fetching = false;
      this.#onRoster(watch, roster);
    });
  }

  #publishChanges(watch: Watch<L>): void {
    const { channel, count, joined, left } = watch;
    const changed = watch.toldCount !== count;
    const few = watch.named <= MAX_ROSTER;
    watch.stormy = few && (isStormy(watch) || (watch.stormy && !watch.toldNames));
    if (watch.toldNames && few && !watch.stormy) {
      if (changed || joined.size > 0 || left.size > 0) {
        this.#effects.publish(channel, presenceFrame(count, [...joined], [...left]));
      }
    } else if (changed || watch.toldNames) {
      this.#effects.publish(channel, rosterFrame(count));
      watch.toldNames = false;
    }
    watch.toldCount = count;
    joined.clear();
    left.clear();
    // The names are told again as soon as they may be.
    watch.since = becomesNamed(watch) ? this.#now : undefined;
  }

  /** The roster holds every change so far, and none after. */
  #onRoster(watch: Watch<L>, { count, named, names }: Roster): void {
    const first = watch.watchers.size === 0;
    const again = becomesNamed(watch) && names !== undefined;
    watch.count = count;
    watch.named = named;
    if (first) watch.toldNames = names !== undefined;
    else if (again) {
      watch.toldNames = true;
      // All names are as many changes, so they take as long as those may.
      watch.namesAt = this.#now + (GATHER * named * watch.watchers.size) / MAX_CHANGES;
      this.#effects.publish(watch.channel, rosterFrame(count, names));
    }
    if (first || again) {
      watch.toldCount = count;
      watch.joined.clear();
      watch.left.clear();
    }
    this.#publishChanges(watch);
    watch.frame = rosterFrame(count, watch.toldNames ? names : undefined);
    this.#answer(watch);
  }

  /** Answers those who asked, all with the same frame. */
  #answer(watch: Watch<L>): void {
    const { frame, asking, watchers } = watch;
    if (frame === undefined) return;
    for (const listener of asking) {
      watchers.add(listener);
      this.#effects.answer(listener, frame);
    }
    asking.clear();
  }
}

function becomesNamed<L>(watch: Watch<L>): boolean {
  const { toldNames, named, stormy } = watch;
  return !toldNames && named <= (stormy ? MAX_ROSTER : NAMES_AGAIN) && !isStormy(watch);
}

function isStormy<L>({ joined, left, watchers }: Watch<L>): boolean {
  return (joined.size + left.size) * watchers.size > MAX_CHANGES;
}

/** Whether those who ask get the count alone, which is known as long as somebody watches. */
function knownCountIsEnough<L>({ toldNames, watchers }: Watch<L>): boolean {
  return !toldNames && watchers.size > 0;
}
