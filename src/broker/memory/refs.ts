import { addItem, createShares, firstToGo, type Item, removeItem, type Shares } from "./shares.ts";

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

/** What is remembered of a post. */
interface Post {
  readonly key: string;
  readonly id: number;
  readonly hash: bigint;
  /** Since when, in milliseconds. */
  readonly at: number;
}

/** Plain data, so that it survives a reload of the code. */
export interface RefsData {
  /** By key, the oldest first. */
  readonly posts: Map<string, Item<Post>>;
  readonly shares: Shares<Post>;
}

/** How long a post is remembered, in milliseconds. */
export const REMEMBERED = 10 * 60_000;
/** Posts that are remembered at most: about 40 MB, or 60 if each is from another network. */
export const MAX_POSTS = 100_000;

export function createRefsData(): RefsData {
  return { posts: new Map(), shares: createShares() };
}

/**
 * 64 bits, so that no client comes upon two texts with one hash.
 * @param text a JSON string literal
 */
export function hashOf(text: string): bigint {
  return Bun.hash.wyhash(text);
}

/** How a draft is recognized as the same; undefined if it may be posted again. */
export function onceOf(
  channel: string,
  { session, ref }: { readonly session?: string | undefined; readonly ref?: string | undefined },
  content: string,
): Once | undefined {
  if (session === undefined || ref === undefined) return undefined;
  return { channel, session, ref, hash: hashOf(content) };
}

export class Refs {
  readonly #data: RefsData;
  readonly #clock: () => number;

  /** @param clock milliseconds on a clock that never steps back */
  constructor(data: RefsData, clock: () => number) {
    this.#data = data;
    this.#clock = clock;
  }

  /** The id under which this was posted, or undefined if it was not. */
  find(once: Once): number | "ref_reused" | undefined {
    const post = this.#data.posts.get(keyOf(once))?.value;
    if (post === undefined || post.at <= this.#clock() - REMEMBERED) return undefined;
    return post.hash === once.hash ? post.id : "ref_reused";
  }

  /**
   * Remembers a post that is not found.
   * @param network the author's, which pays for it
   * @param age how long ago it was posted, in milliseconds
   */
  note(posted: Posted, network: string | undefined, age = 0): void {
    const { posts, shares } = this.#data;
    const { id, hash } = posted;
    const key = keyOf(posted);
    this.#forget(posts.get(key));
    if (posts.size >= MAX_POSTS) this.#forget(firstToGo(shares));
    posts.set(key, addItem(shares, { key, id, hash, at: this.#clock() - age }, network));
  }

  /** Takes a note back: it was not posted after all. */
  undo(once: Once): void {
    this.#forget(this.#data.posts.get(keyOf(once)));
  }

  expire(): void {
    const until = this.#clock() - REMEMBERED;
    for (const item of this.#data.posts.values()) {
      if (item.value.at > until) break;
      this.#forget(item);
    }
  }

  #forget(item: Item<Post> | undefined): void {
    if (item === undefined) return;
    this.#data.posts.delete(item.value.key);
    removeItem(this.#data.shares, item);
  }
}

/** A session's id has no space and a channel no line break, so different posts have different keys. */
function keyOf({ channel, session, ref }: Once): string {
  return `${session} ${channel}\n${ref}`;
}
