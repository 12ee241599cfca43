/**
 * The tabs of this browser that show the same channel, so that they do not take a name from each
 * other in turns. A tab holds a lock on the name that it talks under: without a lock, no tab does.
 * A lock can also be left over from this very tab before it reloaded, so the others are asked.
 */
export interface Tabs {
  /** Whether another tab talks under this name. */
  talks(name: string): Promise<boolean>;
  /** This tab talks under this name from now on. */
  setOwn(name: string | undefined): void;
}

export interface TabsOptions {
  /** A tab no longer talks under this name: it was closed, or has another one now. */
  readonly freed: (name: string) => void;
}

/**
 * How long to wait for another tab's answer, in milliseconds: if a lock says that there may be one,
 * or if there are no locks, as without https. A frozen tab does not answer.
 */
const WAIT = { locked: 2000, unknown: 400 };

interface Word {
  readonly kind: "asks" | "talks" | "frees";
  readonly name: string;
}

export function createTabs(channel: string, { freed }: TabsOptions): Tabs {
  // Missing without https, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  const bus = new BroadcastChannel(`shoal:${channel}`);
  const waiting = new Set<(name: string) => void>();
  const lockOf = (name: string) => `shoal:${channel}:${name}`;
  const say = (word: Word) => bus.postMessage(word);
  let own: string | undefined;
  let release = (): void => undefined;

  bus.addEventListener("message", ({ data }: MessageEvent<Word>) => {
    if (data.kind === "talks") for (const heard of waiting) heard(data.name);
    else if (data.kind === "frees") freed(data.name);
    else if (own === data.name) say({ kind: "talks", name: data.name });
  });

  window.addEventListener("pagehide", () => {
    if (own !== undefined) say({ kind: "frees", name: own });
  });

  async function mayTalk(name: string): Promise<boolean> {
    const held = (await locks?.query())?.held ?? [];
    return held.some((lock) => lock.name === lockOf(name));
  }

  function heardOf(name: string, wait: number): Promise<boolean> {
    return new Promise((resolve) => {
      function heard(said: string): void {
        if (said === name) done(true);
      }
      function done(talks: boolean): void {
        waiting.delete(heard);
        clearTimeout(timer);
        resolve(talks);
      }
      const timer = setTimeout(() => done(false), wait);
      waiting.add(heard);
      say({ kind: "asks", name });
    });
  }

  return {
    async talks(name) {
      if (locks === undefined) return heardOf(name, WAIT.unknown);
      return (await mayTalk(name)) && heardOf(name, WAIT.locked);
    },
    setOwn(name) {
      if (name === own) return;
      if (own !== undefined) say({ kind: "frees", name: own });
      own = name;
      release();
      if (name === undefined) return;
      // Shared, since a tab that takes over gets it before the other one releases it.
      const held = new Promise<void>((resolve) => (release = resolve));
      void locks?.request(lockOf(name), { mode: "shared" }, () => held);
    },
  };
}
