import { find } from "./dom.ts";
import type { Entry } from "./entries.ts";
import { store } from "./store.ts";

/** How messages show while the tab is hidden: title, favicon, notifications. */
export interface Alerts {
  /** A message of someone else arrived. */
  arrived(entry: Entry, mentioned: boolean): void;
}

export function createAlerts(channel: string): Alerts {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const plainIcon = icon?.href ?? "";
  let unread = 0;

  function draw(): void {
    document.title = unread === 0 ? `#${channel}` : `(${unread}) #${channel}`;
    if (icon !== null) icon.href = unread === 0 ? plainIcon : badge(unread);
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || unread === 0) return;
    unread = 0;
    draw();
  });
  draw();
  bindNotify();

  return {
    arrived(entry, mentioned) {
      if (!document.hidden) return;
      unread++;
      draw();
      if (mentioned && store.notify()) notify(channel, entry);
    },
  };
}

function badge(unread: number): string {
  const words = unread > 99 ? "99" : String(unread);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">` +
    `<rect width="32" height="32" rx="9" fill="#0b7285"/><text x="16" y="23" fill="#fff" ` +
    `font-family="sans-serif" font-weight="700" font-size="20" text-anchor="middle">${words}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function notify(channel: string, entry: Entry): void {
  if (Notification.permission !== "granted") return;
  try {
    const { text: body } = entry;
    const shown = new Notification(`${entry.user} in #${channel}`, { body, tag: channel });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch (error) {
    // Some phones allow notifications only for installed pages, and throw.
    console.warn("This browser cannot show notifications here.", error);
    store.setNotify(false);
  }
}

function bindNotify(): void {
  const toggle = find("notify", HTMLButtonElement);
  const hint = find("notify-hint", HTMLElement);
  if (!("Notification" in window)) {
    toggle.hidden = true;
    return;
  }
  const draw = () => toggle.setAttribute("aria-pressed", String(store.notify()));
  draw();
  toggle.addEventListener("click", async () => {
    const on = !store.notify() && (await Notification.requestPermission()) === "granted";
    hint.textContent =
      !on && Notification.permission === "denied"
        ? "Your browser blocks notifications from this site."
        : "";
    store.setNotify(on);
    draw();
  });
}
