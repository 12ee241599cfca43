import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { launch, type Person, person, visit } from "../helpers/browser.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

let browser: Browser;
let shoal: Shoal;
beforeAll(async () => {
  browser = await launch();
  shoal = await startShoal();
});
afterAll(async () => {
  await browser.close();
  await shoal.end();
});

/** Someone with a name, on a page whose clock can be moved. */
async function withClock(url: string, name: string): Promise<Person> {
  const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await page.clock.install();
  const someone = await person(page, url);
  await someone.join(name);
  return someone;
}

/** Says things, and waits until each is there. */
async function say(someone: Person, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    await someone.say(text);
    await someone.sees(text);
  }
}

async function remove({ page }: Person, text: string): Promise<void> {
  await page.getByText(text, { exact: true }).hover();
  await page.getByRole("button", { name: `Delete: ${text}` }).click();
}

const MOMENT = 5000;

describe("one's own message", () => {
  test("can be deleted, and this can be undone for a moment", async () => {
    const url = `${shoal.http}/undo`;
    const amy = await withClock(url, "amy");
    const bob = await visit(browser, url);
    await bob.join("bob");
    await say(amy, "one", "two", "three");
    await bob.sees("three");
    expect(await bob.page.locator("#rows .delete").count()).toBe(0);

    await remove(amy, "two");
    await amy.page.getByText("Deleted.").waitFor();
    await amy.page.getByText("Undo", { exact: true }).click();
    await amy.page.clock.fastForward(MOMENT);
    await say(amy, "four");
    await bob.sees("four");
    expect(await bob.texts()).toEqual(["one", "two", "three", "four"]);

    await remove(amy, "two");
    await amy.page.getByText("Deleted.").waitFor();
    await amy.page.clock.fastForward(MOMENT);
    for (const { page, texts } of [amy, bob]) {
      await page.locator(".removed", { hasText: "Message deleted" }).waitFor();
      expect(await texts()).toEqual(["one", "Message deleted", "three", "four"]);
      expect(await page.locator(".gap:not(:empty)").count()).toBe(0);
      expect(await page.locator("#rows .who").count()).toBe(1);
      expect(await page.locator("#live").textContent()).not.toContain("two");
    }
    await say(amy, "five");
    await bob.sees("five");

    // Whoever comes later sees no gap, and cannot search for it.
    const cat = await visit(browser, url);
    await cat.sees("five");
    expect(await cat.texts()).toEqual(["one", "Message deleted", "three", "four", "five"]);
    expect(await cat.page.locator(".gap:not(:empty)").count()).toBe(0);
    await cat.page.keyboard.press("Control+k");
    await cat.page.locator("#query").fill("two");
    await cat.page.keyboard.press("Enter");
    await cat.page.getByText("Nothing found for “two”.").waitFor();
    for (const { faults } of [amy, bob, cat]) expect(faults).toEqual([]);
    await Promise.all([amy.close(), bob.close(), cat.close()]);
  });

  test("is deleted at once if another one is, or if the tab is closed", async () => {
    const url = `${shoal.http}/at-once`;
    const amy = await visit(browser, url);
    const bob = await visit(browser, url);
    await amy.join("amy");
    await say(amy, "one", "two", "three");
    await bob.sees("three");
    await remove(amy, "one");
    await remove(amy, "three");
    await bob.page.locator(".removed").waitFor();
    expect(await bob.texts()).toEqual(["Message deleted", "two", "three"]);
    await amy.page.goto(`${shoal.http}/`);
    await bob.page.locator(".removed").nth(1).waitFor();
    expect(await bob.texts()).toEqual(["Message deleted", "two", "Message deleted"]);
    await Promise.all([amy.close(), bob.close()]);
  });

  test("can be deleted with the keyboard", async () => {
    const amy = await withClock(`${shoal.http}/keyboard`, "amy");
    const { page } = amy;
    await say(amy, "one", "two", "three");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.getByText("Deleted.").waitFor();
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Undo");
    await page.keyboard.press("Enter");
    const button = page.getByRole("button", { name: "Delete: two" });
    await button.waitFor();
    expect(await button.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
    await page.keyboard.press("Enter");
    await page.getByText("Deleted.").waitFor();
    await page.clock.fastForward(MOMENT);
    await page.getByText("Message deleted").waitFor();
    expect(await amy.texts()).toEqual(["one", "Message deleted", "three"]);
    expect(await page.evaluate("document.activeElement.closest('#list') !== null")).toBe(true);
    await amy.close();
  });

  test("can be deleted by touch: the first tap only shows how", async () => {
    const touch = { hasTouch: true, isMobile: true, viewport: { width: 390, height: 780 } };
    const amy = await visit(browser, `${shoal.http}/touch`, touch);
    await amy.join("amy");
    await say(amy, "one", "two");
    const button = amy.page.getByRole("button", { name: "Delete: two" });
    const box = (await button.boundingBox())!;
    const tap = () => amy.page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
    await tap();
    await amy.page.locator(".chosen", { hasText: "two" }).waitFor();
    expect(await amy.page.getByText("Deleted.").count()).toBe(0);
    await tap();
    await amy.page.getByText("Deleted.").waitFor();
    await amy.close();
  });

  test("that was deleted while one was away is deleted here as well", async () => {
    const url = `${shoal.http}/away`;
    const amy = await withClock(url, "amy");
    const bob = await visit(browser, url);
    await say(amy, "one", "two");
    await bob.sees("two");
    await bob.page.context().setOffline(true);
    await bob.page.locator("#state.offline").waitFor();
    await remove(amy, "one");
    await amy.page.getByText("Deleted.").waitFor();
    await amy.page.clock.fastForward(MOMENT);
    await amy.page.getByText("Message deleted").waitFor();
    await say(amy, "three");
    await bob.page.context().setOffline(false);
    await bob.sees("three");
    expect(await bob.texts()).toEqual(["Message deleted", "two", "three"]);
    expect(await bob.page.locator(".gap:not(:empty)").count()).toBe(0);
    await Promise.all([amy.close(), bob.close()]);
  });

  test("stays, with a reason, if it was said in another session", async () => {
    const url = `${shoal.http}/other-session`;
    const amy = await withClock(url, "amy");
    await say(amy, "from the first");
    await amy.page.locator("#show-menu").click();
    await amy.page.locator("#leave").click();
    const other = await withClock(url, "amy");
    await other.sees("from the first");
    await remove(other, "from the first");
    await other.page.getByText("Deleted.").waitFor();
    await other.page.clock.fastForward(MOMENT);
    await other.page.locator("#rows .hint", { hasText: "sent from another browser" }).waitFor();
    expect(await other.texts()).toEqual(["from the first"]);
    expect(await amy.texts()).toEqual(["from the first"]);
    expect(other.faults).toEqual([]);
    await Promise.all([amy.close(), other.close()]);
  });
});
