import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { launch, visit } from "../helpers/browser.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

/** Screenshots of each state for people to look at, and what a program can check. */
const PICTURES = resolve(import.meta.dir, "../../test-results/page");

const SCREENS = {
  desktop: { viewport: { width: 1200, height: 760 } },
  tablet: { viewport: { width: 800, height: 1000 } },
  phone: { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true },
  narrow: { viewport: { width: 320, height: 600 } },
} satisfies Record<string, BrowserContextOptions>;

let browser: Browser;
let shoal: Shoal;
beforeAll(async () => {
  mkdirSync(PICTURES, { recursive: true });
  browser = await launch();
  shoal = await startShoal();
  const bob = await enterAs(`${shoal.ws}/looks`, "bob", V1);
  const lines = [
    "Just got here. Map: https://example.com/lakes/north?zoom=12 (north shore)",
    "for (const fish of lake) {\n  release(fish);\n}",
    "مرحبا @amy كيف الحال",
    "w".repeat(300),
    "The water is flat. ".repeat(20),
    "🎣",
  ];
  for (const text of lines) bob.say({ type: "message", text });
  bob.say({ type: "presence" });
  await bob.nextOf("presence");
});
afterAll(async () => {
  await browser.close();
  await shoal.end();
});

/** Takes a screenshot, and lets axe-core check the page. */
async function look(page: Page, name: string): Promise<void> {
  await page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))");
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as AxeResults;
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
  expect(found).toEqual([]);
  // Nothing is cut off at the side.
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
}

const LOOKS = [
  ["desktop", "light"],
  ["desktop", "dark"],
  ["tablet", "light"],
  ["phone", "light"],
  ["phone", "dark"],
  ["narrow", "dark"],
] as const;

describe("every state is accessible and fits", () => {
  test.each(LOOKS)("on a %s in %s", async (screen, scheme) => {
    const options = { ...SCREENS[screen], colorScheme: scheme };
    const at = (state: string) => `${screen}-${scheme}-${state}`;
    const empty = await visit(browser, `${shoal.http}/empty-${screen}-${scheme}`, options);
    await empty.page.getByText("No messages yet.").waitFor();
    await look(empty.page, at("empty"));
    await empty.page.goto(`${shoal.http}/`);
    await look(empty.page, at("landing"));
    await empty.close();

    const { page, join, say, sees, close, faults } = await visit(
      browser,
      `${shoal.http}/looks`,
      options,
    );
    await sees("release");
    await look(page, at("reading"));
    await page.locator("#name").fill("bob");
    await page.locator("#name").press("Enter");
    await page.getByText("Someone in this channel already has this name").waitFor();
    await look(page, at("taken"));
    await join(`amy ${screen} ${scheme}`);
    await say(`hello from a ${screen}, @bob`);
    await sees(`hello from a ${screen}`);
    await look(page, at("talk"));
    if (await page.locator("#show-people").isVisible()) {
      await page.locator("#show-people").click();
      await look(page, at("people"));
      await page.keyboard.press("Escape");
    }
    await page.locator("#show-menu").click();
    await look(page, at("menu"));
    await page.keyboard.press("Escape");
    await page.locator("#switch").click();
    await look(page, at("channels"));
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await look(page, at("search"));
    await page.keyboard.type("flat");
    await page.keyboard.press("Enter");
    await page.locator(".hit").first().waitFor();
    await look(page, at("found"));
    await page.locator("#query").fill("nothing like this");
    await page.keyboard.press("Enter");
    await page.getByText("Nothing found").waitFor();
    await look(page, at("not-found"));
    await page.locator("#query").fill("flat");
    await page.keyboard.press("Enter");
    await page.locator(".hit").first().click();
    await look(page, at("place"));
    await page.locator("#text").press("Shift+Tab");
    await look(page, at("delete"));
    await page.keyboard.press("Enter");
    await page.getByText("Deleted.").waitFor();
    await look(page, at("deleted"));
    const second = await page.context().newPage();
    await second.goto(page.url());
    await second.locator("#elsewhere").waitFor();
    await look(second, at("elsewhere"));
    await second.close();
    expect(faults).toEqual([]);
    await page.context().setOffline(true);
    await page.locator("#notice").waitFor();
    await say("written offline");
    await page.locator("li.sending").waitFor();
    await look(page, at("offline"));
    await page.context().setOffline(false);
    await sees("written offline");
    await close();
  });
});

test("the message field leaves space for the messages on small screens", async () => {
  const size = { viewport: { width: 320, height: 600 } };
  const { page, join, close } = await visit(browser, `${shoal.http}/small`, size);
  await join("somebody with quite a long name");
  const text = page.locator("#text");
  const height = async () => (await text.boundingBox())?.height ?? 0;
  expect(await height()).toBeLessThan(48);
  await page.setViewportSize({ width: 640, height: 300 });
  await text.fill("line\n".repeat(20));
  expect(await height()).toBeLessThanOrEqual(120);
  await close();
});

test("the theme overrides the system's, and is remembered", async () => {
  const { page, close } = await visit(browser, `${shoal.http}/theme`, { colorScheme: "dark" });
  const ground = () => page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
  const dark = await ground();
  await page.locator("#show-menu").click();
  await page.getByLabel("Light").check();
  const light = await ground();
  expect(light).not.toBe(dark);
  await page.reload();
  expect(await ground()).toBe(light);
  await page.locator("#show-menu").click();
  await page.getByLabel("System").check();
  expect(await ground()).toBe(dark);
  await close();
});

test("the page loads at most 26 KB, gzipped, and then shows messages and asks for a name", async () => {
  const page = await (await browser.newContext()).newPage();
  const sizes = new Map<string, number>();
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    sizes.set(pathname, Number(response.headers()["content-length"] ?? 0));
  });
  await page.goto(`${shoal.http}/looks`);
  await page.locator("#naming:not([hidden])").waitFor();
  await page.locator("#rows li").first().waitFor();
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  expect([...sizes.values()]).not.toContain(0);
  expect(sizes.size).toBeGreaterThanOrEqual(3);
  expect(total).toBeLessThanOrEqual(26 * 1024);
  await page.context().close();
});
