import type { Message } from "../../protocol/encode.ts";
import { leave, nextOf, place, type Ranked, type Ranks } from "./ranks.ts";

/**
 * Who pays for the memory of the channels. The log of each channel is charged to the account of one
 * network. When memory runs short, the largest log of the largest account gives, so nobody's talk
 * takes the place of others'. Every call takes about constant time.
 */

/** What is known of one channel. */
export interface Log extends Ranked<Log, Account> {
  readonly channel: string;
  /** The id of its last message, kept or not. */
  last: number;
  /** Its messages, the oldest of which is at `start`; what was before that is dropped. */
  messages: (Message | undefined)[];
  start: number;
  /** What it takes, by estimate. */
  bytes: number;
  /** The network that it is charged to; undefined until something is said in it. */
  network: string | undefined;
  /** By how many bytes that network's messages outweigh all others, at most. */
  votes: number;
  /** Whether other networks have talked in it as well. */
  mixed: boolean;
  /** Whether a connection is in the channel. */
  occupied: boolean;
  /** Whether it was used since the hand last passed it. */
  used: boolean;
}

/** All logs that are charged to one network. Those in which nobody has talked have one as well. */
export interface Account extends Ranks<Log, Account>, Ranked<Account, Accounts> {
  readonly network: string | undefined;
  bytes: number;
}

/** Plain data, so that it survives a reload of the code. */
export interface Accounts extends Ranks<Account, Accounts> {
  readonly byNetwork: Map<string | undefined, Account>;
  /** What everything takes that is charged to somebody. */
  bytes: number;
}

/** What an account takes, in bytes: measured. */
const ACCOUNT_BYTES = 450;
/** As many ranks as a log is lower with somebody in it, and with several networks in it. */
const OCCUPIED = 4;
const MIXED = 32;

export function createAccounts(): Accounts {
  return { byNetwork: new Map(), rings: [], bytes: 0 };
}

/**
 * Counts what a network has said in a log, which is charged to the majority by bytes. This is the vote
 * of Boyer and Moore, which needs no memory of who said what. What is no longer kept has no vote.
 */
export function vote(log: Log, network: string, bytes: number): void {
  if (log.network === network) {
    log.votes = Math.min(log.votes + bytes, log.bytes);
    return;
  }
  log.votes -= bytes;
  if (log.network !== undefined) log.mixed = true;
  if (log.network !== undefined && log.votes >= 0) return;
  log.network = network;
  log.votes = Math.abs(log.votes);
}

/**
 * Puts a log in its place after any change to it.
 *
 * @param charged whether anybody has to pay for it
 * @param change by how many bytes it has grown
 */
export function settle(accounts: Accounts, log: Log, charged: boolean, change = 0): void {
  const before = log.ring?.owner;
  log.bytes += change;
  if (charged && before !== undefined && before.network === log.network) {
    place(before, log, rankOf(log));
    return pay(accounts, before, change);
  }
  if (before !== undefined) {
    leave(log);
    pay(accounts, before, change - log.bytes);
  }
  if (!charged) return;
  const account = accounts.byNetwork.getOrInsertComputed(log.network, newAccount);
  // One string for all of its logs.
  log.network = account.network;
  place(account, log, rankOf(log));
  pay(accounts, account, log.bytes);
}

/**
 * The log that gives next: one in which nobody has talked, or one of the largest of one of the largest
 * accounts. A log that is used has one more chance, as long as there are `chances`.
 */
export function nextToGive(accounts: Accounts, chances: { left: number }): Log | undefined {
  const account = accounts.byNetwork.get(undefined) ?? nextOf(accounts.rings.at(-1));
  const ring = account?.rings.at(-1);
  let log = nextOf(ring);
  for (; log?.used === true && chances.left > 0; chances.left--) {
    log.used = false;
    log = nextOf(ring);
  }
  return log;
}

function newAccount(network: string | undefined): Account {
  return { network, bytes: 0, rings: [], ring: undefined, place: 0 };
}

function rankOf({ bytes, occupied, mixed }: Log): number {
  return sizeOf(bytes) - (occupied ? OCCUPIED : 0) - (mixed ? MIXED : 0);
}

/** 0 for less than a KiB, and one more for each doubling. */
function sizeOf(bytes: number): number {
  return 32 - Math.clz32(bytes / 1024);
}

function pay(accounts: Accounts, account: Account, bytes: number): void {
  account.bytes += bytes;
  accounts.bytes += bytes;
  if (account.rings.length > 0) {
    if (account.ring === undefined) accounts.bytes += ACCOUNT_BYTES;
    return place(accounts, account, sizeOf(account.bytes));
  }
  leave(account);
  accounts.bytes -= ACCOUNT_BYTES;
  accounts.byNetwork.delete(account.network);
}
