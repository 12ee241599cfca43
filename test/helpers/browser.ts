import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** A real Chromium for tests of the page. */

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const ARGS = (
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
  "--disable-component-update --disable-sync"
).split(" ");

/**
 * Launches the system's Chromium, or the one in the variable CHROMIUM.
 *
 * @throws a sentence that says what to install if there is none
 */
export function launch(): Promise<Browser> {
  const path = process.env.CHROMIUM ?? NAMES.map((name) => Bun.which(name)).find(Boolean);
  if (!path) {
    throw new Error(
      "The tests of the page need Chromium: install it (Debian: apt install chromium), " +
        "or set CHROMIUM to where it is.",
    );
  }
  return chromium.launch({ executablePath: path, args: ARGS });
}

/** A person at a page of their own. */
export interface Person {
  readonly page: Page;
  /** Errors in the console, and requests to other origins: there should be none. */
  readonly faults: string[];
  /** Takes a name. */
  join(name: string): Promise<void>;
  say(text: string): Promise<void>;
  /** The texts in the list. */
  texts(): Promise<string[]>;
  /** Waits until a message with this text has arrived. */
  sees(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens a URL as someone new, who shares no storage with others. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Person> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  return person(page, url);
}

/** Opens a URL in a page, as the person that its context belongs to. */
export async function person(page: Page, url: string): Promise<Person> {
  const { origin, host } = new URL(url);
  const faults: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== "data:" && asked.origin !== origin) faults.push(request.url());
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== host) faults.push(socket.url());
  });
  await page.goto(url);

  return {
    page,
    faults,
    async join(name) {
      await page.locator("#name").fill(name);
      await page.locator("#name").press("Enter");
      await page.locator("#text").waitFor();
    },
    async say(text) {
      await page.locator("#text").fill(text);
      await page.locator("#text").press("Enter");
    },
    texts: () => page.locator("#rows .text").allTextContents(),
    async sees(text) {
      const row = page.locator("#rows > li:not(.outgoing)", { hasText: text });
      await row.first().waitFor();
    },
    close: () => page.context().close(),
  };
}
