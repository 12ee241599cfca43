import { find } from "./dom.ts";
import { type Connection, stateSentence, stateWord } from "./words.ts";

/** The state of the connection: a word in the header, and a sentence if one has to wait. */
export interface Status {
  set(connection: Connection): void;
}

/** @param announce says a sentence to screen readers */
export function createStatus(announce: (words: string) => void): Status {
  const word = find("state", HTMLElement);
  const notice = find("notice", HTMLElement);
  let connection: Connection = { state: "connecting" };
  let lost = false;
  let ticking: ReturnType<typeof setInterval> | undefined;

  function draw(): void {
    const sentence = stateSentence(connection, Date.now());
    if (sentence !== "") notice.textContent = sentence;
    else if (lost) notice.textContent = "Reconnecting now.";
    notice.hidden = sentence === "" && !lost;
  }

  return {
    set(next) {
      const { state } = connection;
      const wasLost = lost;
      connection = next;
      lost = next.state !== "open" && (lost || next.state !== "connecting");
      word.className = next.state;
      word.firstElementChild!.textContent = stateWord(next);
      draw();
      if (next.state !== state && next.state !== "connecting" && (wasLost || lost)) {
        announce(stateWord(next));
      }
      clearInterval(ticking);
      if (next.state === "waiting") ticking = setInterval(draw, 250);
    },
  };
}
