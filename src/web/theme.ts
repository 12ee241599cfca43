import { store } from "./store.ts";

/** Light, dark, or as in the system. */
export function applyTheme(): void {
  const theme = store.theme();
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Binds the radio buttons. */
export function bindTheme(fieldset: HTMLElement): void {
  for (const input of fieldset.querySelectorAll("input")) {
    input.checked = input.value === (store.theme() ?? "system");
    input.addEventListener("change", () => {
      store.setTheme(input.value === "system" ? undefined : input.value);
      applyTheme();
    });
  }
}
