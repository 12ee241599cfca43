/** The tabs of this browser that show the same channel, so that they do not take turns with a name. */
export interface Tabs {
  /** Whether another tab talks under this name. */
  talks(name: string): Promise<boolean>;
}

/** Longest wait for another tab's word, in milliseconds. A frozen tab says none. */
const WAIT = 120;

interface Word {
  readonly kind: "asks" | "talks";
  readonly name: string;
}

/** @param own the name under which this tab talks */
export function createTabs(channel: string, own: () => string | undefined): Tabs {
  const bus = new BroadcastChannel(`shoal:${channel}`);
  const waiting = new Set<(name: string) => void>();
  bus.addEventListener("message", ({ data }: MessageEvent<Word>) => {
    if (data.kind === "talks") for (const heard of waiting) heard(data.name);
    else if (own() === data.name) say({ kind: "talks", name: data.name });
  });
  const say = (word: Word) => bus.postMessage(word);

  return {
    talks(name) {
      return new Promise((resolve) => {
        function heard(said: string): void {
          if (said === name) done(true);
        }
        function done(talks: boolean): void {
          waiting.delete(heard);
          clearTimeout(timer);
          resolve(talks);
        }
        const timer = setTimeout(() => done(false), WAIT);
        waiting.add(heard);
        say({ kind: "asks", name });
      });
    },
  };
}
