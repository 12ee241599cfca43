import { channelFor, pathOf } from "./channel.ts";
import { find, make } from "./dom.ts";
import { store } from "./store.ts";

/**
 * The field that asks for a channel, with the recent channels below it.
 *
 * @param here the current channel, which is not listed
 */
export function bindGo(here?: string): HTMLInputElement {
  const which = find("which", HTMLInputElement);
  const fault = find("which-fault", HTMLElement);
  find("go", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const found = channelFor(which.value, location.host);
    if ("path" in found) {
      location.assign(found.path);
      return;
    }
    fault.textContent = found.fault;
    which.setAttribute("aria-invalid", "true");
  });
  which.addEventListener("input", () => {
    fault.textContent = "";
    which.removeAttribute("aria-invalid");
  });

  const recent = store.channels().filter((channel) => channel !== here);
  const links = recent.flatMap((channel) => {
    const path = pathOf(channel);
    if (path === undefined) return [];
    const link = make("a", "", make("span", "hash", "# "), make("bdi", "", channel));
    link.href = path;
    return [make("li", "", link)];
  });
  find("recent", HTMLElement).hidden = links.length === 0;
  find("recent-channels", HTMLElement).replaceChildren(...links);
  return which;
}
