import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Locator } from "playwright-core";
import { launch, visit } from "../helpers/browser.ts";
import { enterAs, V1 } from "../helpers/client.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

/** What a message can do to the page around it: nothing. */

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

/** The page of somebody in a channel in which these texts were said, and their rows. */
async function pageWith(channel: string, texts: readonly string[]) {
  const eve = await enterAs(`${shoal.ws}/${channel}`, "eve", V1);
  for (const text of texts) eve.say({ type: "message", text });
  eve.say({ type: "presence" });
  await eve.nextOf("presence");
  const person = await visit(browser, `${shoal.http}/${channel}`);
  await person.page
    .locator("#rows .text")
    .nth(texts.length - 1)
    .waitFor();
  return person;
}

/** The characters of an element in the horizontal order in which they are drawn. */
function drawn(element: Locator): Promise<string> {
  return element.evaluate((root) => {
    const node = root.firstChild!;
    const range = root.ownerDocument.createRange();
    const seen = [...node.textContent!].map((char, at) => {
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      return { char, left: range.getBoundingClientRect().left };
    });
    return seen
      .sort((a, b) => a.left - b.left)
      .map(({ char }) => char)
      .join("");
  });
}

test("text direction characters do not make a link look like another site's", async () => {
  const link = "https://evil.example/nigol/moc.knab.ruoy//:sptth";
  const { page, faults, close } = await pageWith("links", [
    `Log in: \u202e${link}`,
    `\u2067\u202e${link}\u202c\u2069`,
    `שלום ${link} שלום`,
    "\u202emoc.knab.ruoy//:sptth",
  ]);
  for (const at of [0, 1, 2]) {
    expect(await drawn(page.locator("#rows a").nth(at))).toBe(link);
  }
  expect(await drawn(page.locator("#rows .text").nth(3))).toBe("moc.knab.ruoy//:sptth");
  expect(faults).toEqual([]);
  await close();
});

test("a message of very many lines is cut, and shown whole on request", async () => {
  const tall = `top${"\n".repeat(1990)}end`;
  const { page, faults, close } = await pageWith("tall", ["before", tall, "after"]);
  const text = page.locator("#rows .text").nth(1);
  const height = () => text.evaluate((element) => element.getBoundingClientRect().height);
  expect(await height()).toBeLessThan(600);

  await page.getByRole("button", { name: "Show all" }).click();
  expect(await text.textContent()).toBe(tall);
  expect(await height()).toBeGreaterThan(20_000);
  expect(await page.getByRole("button", { name: "Show all" }).count()).toBe(0);
  // What one reads stays in view, and the keyboard goes on there.
  await page.evaluate("new Promise((done) => setTimeout(done, 200))");
  expect(await text.evaluate((element) => element.getBoundingClientRect().top)).toBeGreaterThan(0);
  expect(await page.evaluate("document.activeElement.className")).toBe("text");
  await page.locator("#below").click();
  await page.locator("#below").waitFor({ state: "hidden" });
  expect(faults).toEqual([]);
  await close();
});

test("what a text or a name draws above and below itself covers no other message", async () => {
  const { page, faults, close } = await pageWith("marks", ["above", "between", "below"]);
  const rows = page.locator("#rows .text");
  const pictures = async () =>
    Promise.all([0, 2].map(async (at) => (await rows.nth(at).screenshot()).toString("base64")));
  await page.mouse.move(0, 0);
  const plain = await pictures();
  // Not every font stacks marks. A shadow is cut off where they are.
  const shadow = "0 -24px red, 0 24px red";
  for (const element of [rows.nth(1), page.locator("#rows .name").first()]) {
    await element.evaluate((one, textShadow) => Object.assign(one.style, { textShadow }), shadow);
    expect(await pictures()).toEqual(plain);
  }
  expect(faults).toEqual([]);
  await close();
});
