import { hueOf } from "./hue.ts";

/** Small helpers for the DOM. Nothing on the page ever parses text as HTML. */

type Child = Node | string;

/** An element with a class and children; strings become text nodes. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** The element with this id. @throws if the page does not have it */
export function find<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

export function button(label: string, onClick: () => void, className = ""): HTMLButtonElement {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", onClick);
  return element;
}

/** A name in its colour, isolated from the direction of the text around it. */
export function nameElement(name: string): HTMLElement {
  const element = make("bdi", "name", name);
  element.style.setProperty("--hue", String(hueOf(name)));
  return element;
}

/** Shows one template of the page. */
export function show(id: string): void {
  document.body.append(find(id, HTMLTemplateElement).content.cloneNode(true));
}

/** A function that runs `then` once at the next frame, however often it is called. */
export function eachFrame(then: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      then();
    });
  };
}
