/** Items by rank, from which any can be taken, and one of the highest, in about constant time. */

/** Items of one rank in no particular order, and a hand that goes round them. */
interface Ring<T, Owner> {
  readonly owner: Owner;
  readonly rank: number;
  readonly items: T[];
  hand: number;
}

/** The rings of all ranks that have items, the lowest first. */
export interface Ranks<T, Owner> {
  readonly rings: Ring<T, Owner>[];
}

/** An item, and where it is. */
export interface Ranked<T, Owner> {
  ring: Ring<T, Owner> | undefined;
  place: number;
}

/** Puts an item among those of its rank. */
export function place<T extends Ranked<T, Owner>, Owner extends Ranks<T, Owner>>(
  owner: Owner,
  item: T,
  rank: number,
): void {
  if (item.ring !== undefined && item.ring.rank === rank) return;
  leave(item);
  item.ring = ringOf(owner, rank);
  item.place = item.ring.items.length;
  item.ring.items.push(item);
}

function ringOf<T, Owner extends Ranks<T, Owner>>(owner: Owner, rank: number): Ring<T, Owner> {
  const { rings } = owner;
  let at = rings.findIndex((ring) => ring.rank >= rank);
  if (at === -1) at = rings.length;
  if (rings[at]?.rank !== rank) rings.splice(at, 0, { owner, rank, items: [], hand: 0 });
  return rings[at]!;
}

/** Takes an item out again. */
export function leave<T extends Ranked<T, Owner>, Owner extends Ranks<T, Owner>>(item: T): void {
  const { ring } = item;
  if (ring === undefined) return;
  const last = ring.items.pop()!;
  if (last !== item) {
    ring.items[item.place] = last;
    last.place = item.place;
  }
  item.ring = undefined;
  const { rings } = ring.owner;
  if (ring.items.length === 0) rings.splice(rings.indexOf(ring), 1);
}

/** The next item of a ring, round and round. */
export function nextOf<T>(ring: Ring<T, unknown> | undefined): T | undefined {
  if (ring === undefined) return undefined;
  if (ring.hand >= ring.items.length) ring.hand = 0;
  return ring.items[ring.hand++];
}
