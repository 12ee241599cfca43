/**
 * What many networks keep in one memory. When it is full, the network with the most gives up its
 * oldest, so that no network crowds out another. Every call takes constant time.
 */

/** A list from which anything can be taken without a search. */
interface List<T> {
  oldest: T | undefined;
  newest: T | undefined;
}

interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** Something that is kept. */
export interface Item<T> extends Linked<Item<T>> {
  readonly value: T;
  readonly share: Share<T>;
}

/** All that one network keeps. */
interface Share<T> extends List<Item<T>>, Linked<Share<T>> {
  readonly network: string | undefined;
  size: number;
}

/** Plain data, so that it survives a reload of the code. */
export interface Shares<T> {
  /** Those that are not empty. */
  readonly byNetwork: Map<string | undefined, Share<T>>;
  /** At `n`, those with `n + 1` items; none is larger than the last. */
  readonly bySize: List<Share<T>>[];
}

/** The network of what an earlier life of this node has kept: nobody knows it any more. */
export const RESTORED = "";

export function createShares<T>(): Shares<T> {
  return { byNetwork: new Map(), bySize: [] };
}

/** @param network undefined if it is private; all of these have one share */
export function addItem<T>(shares: Shares<T>, value: T, network: string | undefined): Item<T> {
  const share = shares.byNetwork.getOrInsertComputed(network, newShare<T>);
  const item: Item<T> = { value, share, older: undefined, newer: undefined };
  link(share, item);
  resize(shares, share, share.size + 1);
  return item;
}

export function removeItem<T>(shares: Shares<T>, item: Item<T>): void {
  const { share } = item;
  unlink(share, item);
  resize(shares, share, share.size - 1);
  if (share.size === 0) shares.byNetwork.delete(share.network);
}

/** The oldest item of the network with the most. */
export function firstToGo<T>({ bySize }: Shares<T>): Item<T> | undefined {
  return bySize.at(-1)?.oldest?.oldest;
}

function newShare<T>(network: string | undefined): Share<T> {
  const links = { oldest: undefined, newest: undefined, older: undefined, newer: undefined };
  return { network, size: 0, ...links };
}

function resize<T>({ bySize }: Shares<T>, share: Share<T>, size: number): void {
  if (share.size > 0) unlink(bySize[share.size - 1]!, share);
  share.size = size;
  if (size > bySize.length) bySize.push({ oldest: undefined, newest: undefined });
  if (size > 0) link(bySize[size - 1]!, share);
  while (bySize.length > 0 && bySize.at(-1)!.oldest === undefined) bySize.pop();
}

function link<T extends Linked<T>>(list: List<T>, one: T): void {
  one.older = list.newest;
  one.newer = undefined;
  if (list.newest === undefined) list.oldest = one;
  else list.newest.newer = one;
  list.newest = one;
}

function unlink<T extends Linked<T>>(list: List<T>, one: T): void {
  if (one.older === undefined) list.oldest = one.newer;
  else one.older.newer = one.newer;
  if (one.newer === undefined) list.newest = one.older;
  else one.newer.older = one.older;
}
