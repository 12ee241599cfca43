import { find, make } from "./dom.ts";
import { bindTheme } from "./theme.ts";

/** The menu on the right of the header. */
export interface Menu {
  setUser(user: string | undefined): void;
}

export interface MenuActions {
  rename(): void;
  leave(): void;
}

export function bindMenu({ rename, leave }: MenuActions): Menu {
  const menu = find("menu", HTMLElement);
  const named = find("named", HTMLElement);
  const mention = find("mention", HTMLElement);
  const copy = find("copy", HTMLButtonElement);
  bindTheme(find("theme", HTMLElement));

  copy.addEventListener("click", async () => {
    copy.textContent = (await copied(location.href)) ? "Copied" : "Copy it from the address bar";
  });
  menu.addEventListener("toggle", () => {
    copy.textContent = "Copy link";
  });
  find("rename", HTMLButtonElement).addEventListener("click", () => {
    menu.hidePopover();
    rename();
  });
  find("leave", HTMLButtonElement).addEventListener("click", () => {
    menu.hidePopover();
    leave();
  });

  return {
    setUser(user) {
      named.hidden = user === undefined;
      mention.textContent = `@${user ?? "name"}`;
    },
  };
}

async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text);
  }
}

/** Without https, browsers only offer this old clipboard. */
function copiedBySelection(text: string): boolean {
  const area = make("textarea", "unseen");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
