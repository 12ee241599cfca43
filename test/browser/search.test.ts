import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { launch, visit } from "../helpers/browser.ts";
import { type Client, enterAs, V1 } from "../helpers/client.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

/** Where the message field has the focus, and a search can begin. */
async function search(page: Page, query: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.locator("#query").fill(query);
  await page.keyboard.press("Enter");
}

/** Says lines with these numbers, and waits until the last is kept. */
async function count(client: Client, from: number, to: number): Promise<void> {
  for (let at = from; at <= to; at++) {
    client.say({ type: "message", text: `line ${at}`, ref: `${at}` });
  }
  while ((await client.nextOf("ack")).ref !== `${to}`);
}

/** The numbers of the lines that have rows. */
async function lines(page: Page): Promise<number[]> {
  const texts = await page.locator("#rows .text").allTextContents();
  return texts.map((text) => Number(text.replace("line ", "")));
}

function focused(page: Page): Promise<string> {
  return page.evaluate("document.activeElement.id || document.activeElement.className");
}

/** Scrolls to an end of what is loaded, again and again, until a text is in the list. */
async function scrollTo(page: Page, end: "top" | "bottom", text: string): Promise<void> {
  const row = page.getByText(text, { exact: true });
  while ((await row.count()) === 0) {
    await page.evaluate(`new Promise((done) => {
      const list = document.getElementById("list");
      list.scrollTop = ${end === "top" ? "0" : "list.scrollHeight"};
      requestAnimationFrame(() => setTimeout(done));
    })`);
  }
}

let browser: Browser;
let shoal: Shoal;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), "shoal-search-"));
  shoal = await startShoal({
    env: { DATABASE: join(folder, "shoal.sqlite"), MESSAGE_RATE: "0", IP_MESSAGE_RATE: "0" },
  });
});
afterAll(async () => {
  await browser.close();
  await shoal.end();
  rmSync(folder, { recursive: true, force: true });
});

describe("a search", () => {
  test("opens by a key, finds words, and gives the focus back", async () => {
    const amy = await visit(browser, `${shoal.http}/found`);
    const { page } = amy;
    await amy.join("amy");
    for (const text of ["Un café, please", "tea for me", "<b>no café</b> here"])
      await amy.say(text);
    await amy.sees("no café");

    await search(page, "CAFE");
    await page.getByText("2 messages", { exact: true }).waitFor();
    const hits = page.locator("#hits .text");
    expect(await hits.allTextContents()).toEqual(["<b>no café</b> here", "Un café, please"]);
    expect(await page.locator("#hits mark").allTextContents()).toEqual(["café", "café"]);
    expect(await page.locator("#hits .name").first().textContent()).toBe("amy");

    await page.locator("#query").fill("coffee");
    await page.keyboard.press("Enter");
    await page.getByText("Nothing found for “coffee”.").waitFor();
    expect(await hits.count()).toBe(0);

    await page.keyboard.press("Escape");
    expect(await page.getByRole("search").count()).toBe(0);
    expect(await focused(page)).toBe("text");
    await page.locator("#show-search").click();
    await page.getByRole("search").waitFor();
    expect(await focused(page)).toBe("query");
    await page.locator("#show-search").click();
    expect(await focused(page)).toBe("show-search");

    await page.locator("#show-search").click();
    await page.locator("main").click({ position: { x: 20, y: 400 } });
    await page.locator("#search").waitFor({ state: "hidden" });
    expect(amy.faults).toEqual([]);
    await amy.close();
  });

  test("shows more on request", async () => {
    const bob = await enterAs(`${shoal.ws}/more`, "bob", V1);
    await count(bob, 1, 70);
    const { page, close } = await visit(browser, `${shoal.http}/more`);
    await page.getByText("line 70", { exact: true }).waitFor();
    await search(page, "line from:BOB");
    await page.getByText("The latest 50 messages").waitFor();
    await page.getByRole("button", { name: "Show more" }).click();
    await page.getByText("70 messages", { exact: true }).waitFor();
    const texts = await page.locator("#hits .text").allTextContents();
    expect(texts).toEqual(Array.from({ length: 70 }, (_, at) => `line ${70 - at}`));
    expect(await page.getByRole("button", { name: "Show more" }).count()).toBe(0);
    // The keyboard goes on with the first of the new ones.
    expect(await page.evaluate("document.activeElement.textContent")).toContain("line 20");
    await close();
    await bob.close();
  });

  test("leads to an old message, from there up and down, and back", async () => {
    const bob = await enterAs(`${shoal.ws}/far`, "bob", V1);
    await count(bob, 1, 1000);
    const { page, join, say, faults, close } = await visit(browser, `${shoal.http}/far`);
    await join("amy");
    await page.getByText("line 1000", { exact: true }).waitFor();
    await search(page, "300");
    await page.getByText("1 message", { exact: true }).waitFor();
    await page.locator("#query").press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const found = page.locator("#rows .found .text");
    await found.waitFor();
    expect(await found.textContent()).toBe("line 300");
    expect(await focused(page)).toContain("found");
    const list = (await page.locator("#list").boundingBox())!;
    expect((await found.boundingBox())!.y).toBeWithin(list.y, list.y + list.height);

    // What is said meanwhile is counted, and does not follow what is shown.
    await count(bob, 1001, 1003);
    await page.getByText("3 new below").waitFor();
    const shown = await lines(page);
    expect(shown).toEqual(shown.map((_, at) => shown[0]! + at));
    expect(shown).not.toContain(1001);

    await scrollTo(page, "top", "line 150");
    await scrollTo(page, "bottom", "line 450");
    const loaded = await lines(page);
    expect(loaded).toEqual(loaded.map((_, at) => loaded[0]! + at));
    await page.getByText("3 new below").click();
    await page.getByText("line 1003", { exact: true }).waitFor();
    await page.locator("#below").waitFor({ state: "hidden" });
    expect(await page.locator("#rows .found").count()).toBe(0);

    // Whoever says something wants to see it.
    await page.locator("#query").evaluate((field) => Object.assign(field, { value: "" }));
    await search(page, "200");
    await page.locator(".hit").click();
    await found.waitFor();
    await say("back again");
    await page.getByText("back again", { exact: true }).waitFor();
    await page.locator("#below").waitFor({ state: "hidden" });
    expect(faults).toEqual([]);
    await close();
    await bob.close();
  });

  test("from an old place, scrolling down leads to the present", async () => {
    const bob = await enterAs(`${shoal.ws}/down`, "bob", V1);
    await count(bob, 1, 300);
    const { page, close } = await visit(browser, `${shoal.http}/down`);
    await page.getByText("line 300", { exact: true }).waitFor();
    await search(page, "100");
    await page.locator(".hit").click();
    await page.locator("#rows .found").waitFor();
    await count(bob, 301, 320);
    await scrollTo(page, "bottom", "line 320");
    const loaded = await lines(page);
    expect(loaded).toEqual(loaded.map((_, at) => loaded[0]! + at));
    await page.evaluate("document.getElementById('list').scrollTop = 1e9");
    await page.locator("#below").waitFor({ state: "hidden" });
    await count(bob, 321, 321);
    await page.getByText("line 321", { exact: true }).waitFor();

    // What is loaded is not loaded again.
    await search(page, "310");
    await page.locator(".hit").click();
    expect(await page.locator("#rows .found .text").textContent()).toBe("line 310");
    await count(bob, 322, 322);
    await page.getByText("line 322", { exact: true }).waitFor();
    await close();
    await bob.close();
  });
});
