import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { launch, visit } from "../helpers/browser.ts";
import { type Client, enterAs, V1 } from "../helpers/client.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** Sends `many` messages and waits until the last is acknowledged. */
async function talk(client: Client, many: number, word: string): Promise<void> {
  for (let at = 0; at < many; at++) {
    client.say({ type: "message", text: `${word} ${at}`, ref: `${word}-${at}` });
  }
  while ((await client.nextOf("ack")).ref !== `${word}-${many - 1}`);
}

/** Waits until this is the page's title. */
async function titled(page: Page, title: string): Promise<void> {
  while ((await page.title()) !== title) await Bun.sleep(20);
}

/** Scrolls up until a text is in the list. */
async function scrollUpTo(page: Page, text: string): Promise<void> {
  await page.evaluate(`(async () => {
    const list = document.getElementById("list");
    const found = (row) => row.textContent === "${text}";
    while (![...list.querySelectorAll(".text")].some(found)) {
      list.scrollTop = 0;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
  })()`);
}

describe("the list", () => {
  let shoal: Shoal;
  beforeAll(async () => {
    shoal = await startShoal({ env: { MESSAGE_RATE: "0", HISTORY_LIMIT: "150" } });
  });
  afterAll(() => shoal.end());

  test("scrolling up loads older history in order, and what one reads stays in place", async () => {
    const bob = await enterAs(`${shoal.ws}/older`, "bob", V1);
    await talk(bob, 200, "line");
    const { page, close, texts } = await visit(browser, `${shoal.http}/older`);
    await page.getByText("line 199", { exact: true }).waitFor();
    expect(await page.getByText("line 50", { exact: true }).count()).toBe(0);

    await scrollUpTo(page, "line 50");
    await page.getByText("Earlier messages are no longer stored.").waitFor();
    expect(await texts()).toEqual(Array.from({ length: 150 }, (_, at) => `line ${at + 50}`));

    // In the middle: messages below are counted and move nothing.
    const middle = page.getByText("line 100", { exact: true });
    await middle.evaluate((row) => row.scrollIntoView({ block: "center" }));
    const before = await middle.boundingBox();
    await talk(bob, 12, "later");
    await page.getByText("12 new below").waitFor();
    expect(await middle.boundingBox()).toEqual(before);
    await page.getByText("12 new below").click();
    await page.getByText("later 11", { exact: true }).waitFor();
    await page.locator("#below").waitFor({ state: "hidden" });
    expect(await page.getByText("New messages", { exact: true }).count()).toBe(1);
    await close();
    await bob.close();
  });

  test("a gap in the middle shows its times", async () => {
    const bob = await enterAs(`${shoal.ws}/gap`, "bob", V1);
    await talk(bob, 1, "first");
    const amy = await visit(browser, `${shoal.http}/gap`);
    await amy.sees("first 0");
    await amy.page.context().setOffline(true);
    await amy.page.locator("#state.offline").waitFor();
    await talk(bob, 200, "missed");
    await amy.page.context().setOffline(false);
    await amy.sees("missed 199");
    await amy.page.locator("#state.open").waitFor();
    const kept = Array.from({ length: 150 }, (_, at) => `missed ${at + 50}`);
    expect(await amy.texts()).toEqual(["first 0", ...kept]);
    const gap = amy.page.locator("#rows .gap");
    expect(await gap.allTextContents()).toEqual([
      expect.stringMatching(
        /^Messages may be missing (at \d\d:\d\d|between \d\d:\d\d and \d\d:\d\d)\.$/,
      ),
    ]);
    await amy.close();
    await bob.close();
  });

  test("many missed messages have a mark above the first, even if it is loaded later", async () => {
    const bob = await enterAs(`${shoal.ws}/unread`, "bob", V1);
    await talk(bob, 1, "seen");
    const { page, close } = await visit(browser, `${shoal.http}/unread`);
    const marked = page.locator("#rows li", { has: page.locator(".fresh") }).locator(".text");
    await page.getByText("seen 0", { exact: true }).waitFor();

    // In a visible tab, after an outage.
    await page.context().setOffline(true);
    await page.locator("#state.offline").waitFor();
    await talk(bob, 10, "outage");
    await page.context().setOffline(false);
    await page.getByText("outage 9", { exact: true }).waitFor();
    expect(await marked.textContent()).toBe("outage 0");

    // In a reopened tab.
    await page.goto(`${shoal.http}/`);
    await talk(bob, 80, "away");
    await page.goto(`${shoal.http}/unread`);
    await page.getByText("away 79", { exact: true }).waitFor();
    expect(await marked.count()).toBe(0);
    await page.getByText("More new above").click();
    await page.getByText("80 new above").click();
    await marked.waitFor();
    expect(await marked.textContent()).toBe("away 0");
    await page.locator("#above").waitFor({ state: "hidden" });
    const list = (await page.locator("#list").boundingBox())!;
    const first = (await page.getByText("away 0", { exact: true }).boundingBox())!;
    expect(first.y).toBeWithin(list.y, list.y + list.height / 2);
    await close();
    await bob.close();
  });

  test("a message on its way is as high as it is later", async () => {
    const { page, join, say, sees, close } = await visit(browser, `${shoal.http}/still`);
    await join("amy");
    await say("one");
    await sees("one");
    // Every height that the rows have.
    await page.evaluate(`{
      const rows = document.getElementById("rows");
      window.heights = [rows.offsetHeight];
      new ResizeObserver(() => {
        if (heights.at(-1) !== rows.offsetHeight) heights.push(rows.offsetHeight);
      }).observe(rows);
    }`);
    await say("two");
    await sees("two");
    await page.evaluate("new Promise((done) => setTimeout(done, 100))");
    expect(await page.evaluate("heights.length")).toBe(2);
    await close();
  });

  test("ten thousand messages have few rows at a time, and all of them can be read", async () => {
    const bob = await enterAs(`${shoal.ws}/many`, "bob", V1);
    await talk(bob, 1, "start");
    const { page, join, close } = await visit(browser, `${shoal.http}/many`);
    await page.getByText("start 0", { exact: true }).waitFor();
    await join("amy");
    for (let at = 0; at < 10; at++) await talk(bob, 1000, `part ${at}:`);
    await page.getByText("part 9: 999", { exact: true }).waitFor();
    expect(await page.locator("#rows li").count()).toBeLessThanOrEqual(300);

    // Typing costs the same as without messages: no row changes.
    const changes = await page.evaluate(`(async () => {
      const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      await frame();
      const seen = new MutationObserver(() => undefined);
      const all = { childList: true, subtree: true, attributes: true, characterData: true };
      seen.observe(document.getElementById("list"), all);
      document.getElementById("text").focus();
      document.execCommand("insertText", false, "typed");
      await frame();
      await frame();
      return seen.takeRecords().length;
    })()`);
    expect(changes).toBe(0);

    await scrollUpTo(page, "start 0");
    expect(await page.locator("#rows li").count()).toBeLessThanOrEqual(300);
    await page.getByText("To the latest").click();
    await page.getByText("part 9: 999", { exact: true }).waitFor();
    await close();
    await bob.close();
  });

  test("messages that arrive in a hidden tab are marked and counted in the title", async () => {
    const bob = await enterAs(`${shoal.ws}/hidden`, "bob", V1);
    await talk(bob, 1, "seen");
    const { page, close } = await visit(browser, `${shoal.http}/hidden`);
    await page.getByText("seen 0", { exact: true }).waitFor();
    const hide = (hidden: boolean) =>
      page.evaluate(`{
        Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }`);
    await hide(true);
    await talk(bob, 3, "missed");
    await titled(page, "(3) #hidden");
    expect(await page.locator('link[rel="icon"]').getAttribute("href")).toStartWith("data:image");
    await hide(false);
    await titled(page, "#hidden");
    const marked = page.locator("#rows li", { has: page.locator(".fresh") });
    expect(await marked.locator(".text").textContent()).toBe("missed 0");
    expect(await page.locator("#live p").last().textContent()).toContain("missed 2");
    await close();
    await bob.close();
  });
});
