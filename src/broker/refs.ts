import type { Clock } from "./broker.ts";

/**
 * The messages that a session has posted with a `ref`, so that none is posted twice. What is
 * remembered of each is its first id and a hash of its text.
 */

/** A text that is to be posted once. */
export interface Once {
  readonly channel: string;
  readonly session: string;
  readonly ref: string;
  /** Of the text; see {@link hashOf}. */
  readonly hash: number;
}

/** The same, posted under this id. */
export interface Posted extends Once {
  readonly id: number;
}

type Post = Pick<Posted, "id" | "hash">;

/** Plain data, so that it survives a reload of the code. */
export interface RefsData {
  /** By channel and session, the one that posted last at the end. */
  readonly windows: Map<string, Map<string, Post>>;
  count: number;
}

export function createRefsData(): RefsData {
  return { windows: new Map(), count: 0 };
}

/** The window of a session: its last posts, for some time. */
export const WINDOW = { posts: 1000, ms: 10 * 60_000 };
/**
 * What a node remembers over all sessions: about 25 MB. Beyond it, the oldest go early. A window
 * takes about as much as so many posts.
 */
const POSTS_MOST = 100_000;
const WINDOW_POSTS = 4;

export interface Refs {
  /** The id under which this was posted, or undefined if it was not. */
  find(once: Once): number | "ref_reused" | undefined;
  note(posted: Posted): void;
  /** Takes a note back: it was not posted after all. */
  undo(posted: Posted): void;
  expire(): void;
}

/** @param text a JSON string literal */
export function hashOf(text: string): number {
  return Bun.hash.xxHash32(text);
}

export function createRefs(data: RefsData, clock: Clock): Refs {
  const { windows } = data;

  function isOld(post: Post): boolean {
    return post.id / 1000 < clock() - WINDOW.ms;
  }

  function drop(key: string, window: Map<string, Post>, ref: string): void {
    if (window.delete(ref)) data.count--;
    if (window.size === 0) windows.delete(key);
  }

  return {
    find({ channel, session, ref, hash }) {
      const key = keyOf(channel, session);
      const window = windows.get(key);
      const post = window?.get(ref);
      if (window === undefined || post === undefined) return undefined;
      if (isOld(post)) {
        drop(key, window, ref);
        return undefined;
      }
      return post.hash === hash ? post.id : "ref_reused";
    },

    note({ channel, session, ref, id, hash }) {
      const key = keyOf(channel, session);
      const window = windows.get(key) ?? new Map<string, Post>();
      windows.delete(key);
      windows.set(key, window);
      if (!window.has(ref)) data.count++;
      window.set(ref, { id, hash });
      if (window.size > WINDOW.posts) drop(key, window, firstKey(window));
      while (data.count + WINDOW_POSTS * windows.size > POSTS_MOST) {
        const oldest = firstKey(windows);
        const posts = windows.get(oldest)!;
        drop(oldest, posts, firstKey(posts));
      }
    },

    undo({ channel, session, ref }) {
      const key = keyOf(channel, session);
      const window = windows.get(key);
      if (window !== undefined) drop(key, window, ref);
    },

    expire() {
      for (const [key, window] of windows) {
        for (const [ref, post] of window) {
          if (!isOld(post)) return;
          drop(key, window, ref);
        }
      }
    },
  };
}

/** A session's id has no space, so two different pairs never give one key. */
function keyOf(channel: string, session: string): string {
  return `${session} ${channel}`;
}

function firstKey<K>(map: ReadonlyMap<K, unknown>): K {
  return map.keys().next().value as K;
}
