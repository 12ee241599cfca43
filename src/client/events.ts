import type { Chat, ChatEvents } from "./api.ts";

export interface Events extends Pick<Chat, "on"> {
  emit<K extends keyof ChatEvents>(event: K, value: ChatEvents[K]): void;
}

export function createEvents(): Events {
  const listeners = new Map<keyof ChatEvents, Set<(event: never) => void>>();
  return {
    on(event, listener) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(listener));
      return () => void set.delete(listener);
    },

    emit<K extends keyof ChatEvents>(event: K, value: ChatEvents[K]) {
      for (const listener of [...(listeners.get(event) ?? [])]) {
        try {
          (listener as (event: ChatEvents[K]) => void)(value);
        } catch (error) {
          // Report a listener's error without disturbing the chat.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}
