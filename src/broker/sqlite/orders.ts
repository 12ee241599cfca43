import type { Message } from "../../protocol/encode.ts";
import type { Posted } from "../memory/refs.ts";
import type { SharedFile } from "./file.ts";

/** What the broker and the thread that writes the database say to each other. */

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

/** What goes into one transaction. */
export interface Batch {
  readonly messages: readonly (Message & { readonly channel: string })[];
  /** Whether messages are kept at all; if not, only the last id of a channel is. */
  readonly keeps: boolean;
  readonly refs: readonly Ref[];
  readonly names: readonly NameChange[];
  /** Channels whose messages up to an id are dropped, or that are forgotten altogether. */
  readonly drops: readonly { channel: string; upTo: number; forgotten: boolean }[];
  /** Whether to write even if there is nothing else, to see whether that works again. */
  readonly probe: boolean;
}

/** Everything in the database, as it is read at the start. */
export interface Contents {
  readonly secret: Uint8Array;
  /** The highest id of a channel that was forgotten. */
  readonly forgotten: number;
  /** In the order of their last messages. */
  readonly channels: readonly { channel: string; last: number; messages: Message[] }[];
  readonly names: readonly (NameRow & { channel: string; key: string })[];
  readonly refs: readonly Ref[];
}

/** `now` is in seconds since the epoch. */
export type Order =
  | { readonly do: "open"; readonly path: string; readonly now: number }
  | { readonly do: "write"; readonly batch: Batch; readonly now: number }
  | { readonly do: "close" };

export type Reply =
  | {
      readonly done: "open";
      readonly contents: Contents;
      /** The files that others could read. */
      readonly shared: readonly SharedFile[];
      /** Why nothing can be written at the moment, if so. */
      readonly failure: string | undefined;
    }
  | { readonly done: "write" }
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
