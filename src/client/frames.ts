import type { ChatEvents } from "./api.ts";
import type { PresenceFrame } from "./roster.ts";

/** What a server sends; fields that the plain protocol lacks are optional. */
export type ServerFrame =
  | {
      readonly type: "connection";
      readonly last?: number;
      readonly heartbeat?: number;
      readonly limits?: ChatEvents["limits"];
    }
  | { readonly type: "heartbeat"; readonly authenticated: "true" | "false" }
  | {
      readonly type: "identity";
      readonly success: "true" | "false";
      readonly user?: string;
      readonly session?: string;
      readonly code?: string;
      readonly message?: string;
    }
  | ({ readonly type: "message" } & MessageFields)
  | { readonly type: "ack"; readonly ref: string; readonly id: number }
  | {
      readonly type: "error";
      readonly code: string;
      readonly message: string;
      readonly ref?: string;
    }
  | HistoryFrame
  | ({ readonly type: "presence" } & PresenceFrame);

export interface HistoryFrame {
  readonly type: "history";
  readonly messages: readonly Required<MessageFields>[];
  readonly gap: "true" | "false";
  readonly more: "true" | "false";
}

export interface MessageFields {
  readonly text: string;
  readonly timestamp: number;
  readonly user: string;
  readonly id?: number;
  readonly prev?: number;
}

/** The frame in what a server has sent, or undefined: what is no JSON object is passed over. */
export function parse(data: unknown): ServerFrame | undefined {
  try {
    const frame: unknown = JSON.parse(String(data));
    return typeof frame === "object" && frame !== null ? (frame as ServerFrame) : undefined;
  } catch {
    return undefined;
  }
}
