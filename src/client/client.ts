import type { Chat, ChatOptions } from "./api.ts";

export type * from "./api.ts";

export function connect(url: string | URL, options: ChatOptions = {}): Chat {
  throw new Error(`not yet: ${url} ${String(options.name)}`);
}
