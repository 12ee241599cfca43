import { eachFrame, find, make, nameElement } from "./dom.ts";
import { count } from "./words.ts";

/** Everyone in the channel: names for those who have one, a number for the others. */
export interface People {
  set(connections: number, names: readonly string[] | undefined): void;
}

const ORDER = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });

export function createPeople(): People {
  const shower = find("show-people", HTMLButtonElement);
  const title = find("people-title", HTMLElement);
  const list = find("names", HTMLElement);
  const readers = find("readers", HTMLElement);
  let connections = 0;
  let names: readonly string[] | undefined = [];

  const draw = eachFrame(() => {
    const people = `${count(connections, "person", "people")} here`;
    shower.textContent = String(connections);
    shower.setAttribute("aria-label", people);
    shower.title = people;
    title.textContent = people;
    const sorted = [...(names ?? [])].sort(ORDER.compare);
    list.replaceChildren(...sorted.map((name) => make("li", "", nameElement(name))));
    const nameless = connections - sorted.length;
    if (names === undefined) readers.textContent = "Too many to list.";
    else if (nameless <= 0) readers.textContent = "";
    else readers.textContent = `${nameless} without a name`;
  });

  return {
    set(nextConnections, nextNames) {
      connections = nextConnections;
      names = nextNames;
      draw();
    },
  };
}
