import type { Message } from "../../protocol/encode.ts";
import type { Posted } from "../memory/refs.ts";
import type { SharedFile } from "./file.ts";
import type { Answered, Question, Unreadable } from "./read.ts";

/** What the broker and the threads of the database say to each other. */

/** A name that a session holds or is kept for. */
export interface NameRow {
  readonly shown: string;
  readonly session: string;
  /** When it was first taken, in milliseconds since the epoch. */
  readonly since: number;
}

/** A name as it is now; without a row, it is free. */
export interface NameChange {
  readonly channel: string;
  readonly key: string;
  readonly row?: NameRow | undefined;
}

/** A message that was posted with a `ref`. */
export interface Ref extends Posted {
  /** When it was posted, in seconds since the epoch. */
  readonly timestamp: number;
}

/** A message on its way to the disk. */
export interface Row extends Message {
  readonly channel: string;
  /** Stands for its author's network; undefined if that is private. */
  readonly network: string | undefined;
}

/** What goes into one transaction. */
export interface Batch {
  readonly messages: readonly Row[];
  readonly refs: readonly Ref[];
  readonly names: readonly NameChange[];
  /** Whether to write even if there is nothing else, to see whether that works again. */
  readonly probe: boolean;
}

/** What leaves the database, and when. 0 stands for no limit, but for `limit`. */
export interface Retention {
  /** Messages kept of a channel; 0 for none. */
  readonly limit: number;
  /** How long a channel is remembered in which nothing is said: seconds. */
  readonly ttl: number;
  /** How old a message gets, in seconds. */
  readonly age: number;
  /** Bytes of the file. */
  readonly size: number;
}

/** What is read at the start. */
export interface Contents {
  readonly secret: Uint8Array;
  /** The highest id of a channel that was forgotten. */
  readonly forgotten: number;
  readonly names: readonly (NameRow & { channel: string; key: string })[];
  readonly refs: readonly Ref[];
  /** What the server before this one kept to. */
  readonly before: Partial<Retention>;
}

/** Messages of a channel that left the file, or all of it. */
export interface Drop {
  readonly channel: string;
  readonly upTo: number;
  readonly forgotten: boolean;
}

/** A channel that was empty for too long, and the last id that goes with it. */
export interface Expired {
  readonly channel: string;
  readonly upTo: number;
}

/** To the thread that writes, but for `read`. `now` is in seconds since the epoch. */
export type Order =
  | { readonly do: "open"; readonly path: string; readonly now: number }
  | {
      readonly do: "write";
      readonly batch: Batch;
      readonly retention: Retention;
      readonly now: number;
    }
  /** Lets a few things go that have to. `retention.limit` is Infinity unless it was lowered. */
  | {
      readonly do: "expire";
      readonly retention: Retention;
      readonly expired: readonly Expired[];
      /** What the server keeps to from now on, if that has changed. */
      readonly limits: Retention | undefined;
      readonly now: number;
    }
  /** To the thread that reads, or the other if the file cannot be shared. */
  | { readonly do: "read"; readonly path: string; readonly question: Question }
  | { readonly do: "close" };

export type Reply =
  | {
      readonly done: "open";
      readonly contents: Contents;
      /** Whether another thread can read the file. */
      readonly shares: boolean;
      /** The files that others could read. */
      readonly shared: readonly SharedFile[];
      /** What happened to an older file, if so. */
      readonly migrated: { readonly from: number; readonly copy: string } | undefined;
      /** Why nothing can be written at the moment, if so. */
      readonly failure: string | undefined;
    }
  | { readonly done: "write" }
  | {
      readonly done: "expire";
      /** Whether that worked; if not, it has to be asked for again. */
      readonly written: boolean;
      readonly drops: readonly Drop[];
      /** Channels in which nothing was said for longer than the TTL. */
      readonly unused: readonly Expired[];
      /** Whether there is more to let go of. */
      readonly more: boolean;
      /** Copies of older files that were deleted. */
      readonly copies: readonly string[];
    }
  | { readonly done: "read"; readonly found: Answered | Unreadable }
  | { readonly done: "close" }
  /** A batch was not written; `broken` if the thread cannot go on from before it. */
  | {
      readonly done: "failed";
      readonly reason: string;
      /** What its posts are answered. */
      readonly fault: "unavailable" | "unknown";
      readonly broken: boolean;
    }
  /** The file could not be opened or closed. */
  | { readonly done: "refused"; readonly reason: string };

export type Failure = Extract<Reply, { done: "failed" }>;
