/**
 * The messages that were posted with a `ref`, so that none is posted twice. What is remembered of
 * each is its first id and a hash of its text.
 */

/** A text to be posted once. */
export interface Once {
  readonly channel: string;
  readonly session: string;
  readonly ref: string;
  /** Of the text; see {@link hashOf}. */
  readonly hash: bigint;
}

/** The same, posted under this id. */
export interface Posted extends Once {
  readonly id: number;
}

type Posts = Map<string, Pick<Posted, "id" | "hash">>;

/** Plain data, so that it survives a reload of the code. */
export interface RefsData {
  /** The posts since `since`, in milliseconds since the epoch, and those of the time before. */
  recent: Posts;
  older: Posts;
  since: number;
}

/** How long a post is remembered, in milliseconds. */
export const REMEMBERED = 10 * 60_000;
/** Posts that are remembered at most, about 25 MB; half of them at least. */
const MAX_POSTS = 100_000;

export function createRefsData(): RefsData {
  return { recent: new Map(), older: new Map(), since: 0 };
}

/**
 * 64 bits, so that no client comes upon two texts with one hash.
 * @param text a JSON string literal
 */
export function hashOf(text: string): bigint {
  return Bun.hash.wyhash(text);
}

/**
 * Two generations: posts go into the recent one, which becomes the older one when it is full or old
 * enough. So nothing is ever looked for or removed one by one.
 */
export class Refs {
  readonly #data: RefsData;
  readonly #clock: () => number;

  constructor(data: RefsData, clock: () => number) {
    this.#data = data;
    this.#clock = clock;
  }

  /** The id under which this was posted, or undefined if it was not. */
  find(once: Once): number | "ref_reused" | undefined {
    const key = keyOf(once);
    const post = this.#data.recent.get(key) ?? this.#data.older.get(key);
    if (post === undefined || post.id / 1000 < this.#clock() - REMEMBERED) return undefined;
    return post.hash === once.hash ? post.id : "ref_reused";
  }

  note(posted: Posted): void {
    this.expire();
    this.#data.recent.set(keyOf(posted), { id: posted.id, hash: posted.hash });
  }

  /** Takes a note back: it was not posted after all. */
  undo(once: Once): void {
    const key = keyOf(once);
    if (!this.#data.recent.delete(key)) this.#data.older.delete(key);
  }

  expire(): void {
    const data = this.#data;
    const now = this.#clock();
    const isOld = Math.abs(now - data.since) >= REMEMBERED;
    if (!isOld && data.recent.size < MAX_POSTS / 2) return;
    data.older = data.recent;
    data.recent = new Map();
    data.since = now;
  }
}

/** A session's id has no space and a channel no line break, so different posts have different keys. */
function keyOf({ channel, session, ref }: Once): string {
  return `${session} ${channel}\n${ref}`;
}
