import { eachFrame, find, make } from "./dom.ts";

/** What a screen reader announces: each message once, and nothing when rows move. */
export interface Live {
  say(words: string): void;
  /** Removes what was said, since a message may not be read any more. */
  forget(): void;
}

/** Sentences that are kept in the region. */
const KEPT = 5;
/** More than this at once are announced as a number. */
const SPOKEN = 3;

export function createLive(): Live {
  const region = find("live", HTMLElement);
  let coming: string[] = [];
  const speak = eachFrame(() => {
    const spoken = coming.length > SPOKEN ? [`${coming.length} new messages`] : coming;
    coming = [];
    region.append(...spoken.map((words) => make("p", "", words)));
    while (region.childElementCount > KEPT) region.firstElementChild?.remove();
  });
  return {
    say(words) {
      coming.push(words);
      speak();
    },
    forget() {
      coming = [];
      region.replaceChildren();
    },
  };
}
