import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { launch, visit } from "../helpers/browser.ts";
import { enter } from "../helpers/client.ts";
import { serve } from "../helpers/server.ts";
import { type ShoalOptions, startShoal } from "../helpers/shoal.ts";

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), "shoal-outage-"));
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("an outage", () => {
  test("a server that is killed and comes back loses and duplicates nothing", async () => {
    const options: ShoalOptions = { env: { DATABASE: join(folder, "killed.sqlite") } };
    let shoal = await startShoal(options);
    const { http } = shoal;
    const again = { ...options, env: { ...options.env, PORT: new URL(http).port } };
    const amy = await visit(browser, `${http}/killed`);
    const bob = await visit(browser, `${http}/killed`);
    await amy.join("amy");
    await bob.join("bob");

    const said: string[] = [];
    async function say(text: string): Promise<void> {
      said.push(text);
      await amy.say(text);
    }
    for (let at = 0; at < 5; at++) await say(`before ${at}`);
    await amy.sees("before 4");
    await say("as it dies");
    await shoal.end("SIGKILL");
    for (let at = 0; at < 5; at++) await say(`without a server ${at}`);
    await amy.page.locator("#rows li.sending", { hasText: "without a server 4" }).waitFor();
    await amy.page.getByText("The connection was lost. Reconnecting").waitFor();
    shoal = await startShoal(again);
    await amy.sees("without a server 4");
    await say("after");
    for (const person of [amy, bob]) {
      await person.sees("after");
      expect(await person.texts()).toEqual(said);
      expect(await person.page.locator(".gap:not(:empty)").count()).toBe(0);
      // The name was taken back.
      expect(await person.page.locator("#text").isVisible()).toBe(true);
    }

    // The database has what the screen shows.
    const cat = await visit(browser, `${http}/killed`);
    await cat.sees("after");
    expect(await cat.texts()).toEqual(said);
    await Promise.all([amy.close(), bob.close(), cat.close()]);
    await shoal.end();
  });

  test("the page shows why a full server refuses it, and when it tries again", async () => {
    await using server = await serve({ maxConnections: 1 });
    const other = await enter(`${server.ws}/full`);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${server.http}/full`);
    await page
      .getByText(/no room for more connections \(MAX_CONNECTIONS\)\..* Reconnecting in \d+ s/)
      .waitFor();
    await context.close();
    await other.close();
  });

  test("the page shows that ORIGINS leaves its own out", async () => {
    await using server = await serve({ origins: ["https://my.site"] });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${server.http}/own`);
    await page.getByText(/may not connect here\. See the setting ORIGINS\./).waitFor();
    await context.close();
  });

  test("a server that forgets is a visible gap", async () => {
    let shoal = await startShoal();
    const { http } = shoal;
    const amy = await visit(browser, `${http}/forgotten`);
    await amy.join("amy");
    await amy.say("before");
    await amy.sees("before");
    await shoal.end();
    await amy.page.getByText("The server is restarting. Reconnecting").waitFor();
    shoal = await startShoal({ env: { PORT: new URL(http).port } });
    await amy.page.locator("#state.open").waitFor();
    await amy.say("after");
    await amy.sees("after");
    await amy.page.getByText(/^Messages may be missing /).waitFor();
    expect(await amy.texts()).toEqual(["before", "after"]);
    await amy.close();
    await shoal.end();
  });

  test("the page says when it is offline, and sends what was written when it is back", async () => {
    const shoal = await startShoal();
    const url = `${shoal.http}/offline`;
    const amy = await visit(browser, url);
    const bob = await visit(browser, url);
    await amy.join("amy");
    await amy.page.context().setOffline(true);
    await amy.page.getByText("This device is offline.").waitFor();
    await amy.say("written offline");
    await amy.page.locator("#rows li.sending").waitFor();
    await amy.page.getByText("Waiting to send", { exact: true }).waitFor();
    await amy.page.context().setOffline(false);
    await bob.sees("written offline");
    await amy.sees("written offline");
    expect(await amy.texts()).toEqual(["written offline"]);
    await amy.page.getByText("This device is offline.").waitFor({ state: "hidden" });
    await Promise.all([amy.close(), bob.close()]);
    await shoal.end();
  });

  test("a rejected message says why, and can be edited", async () => {
    const shoal = await startShoal({ env: { TEXT_LIMIT: "20" } });
    const amy = await visit(browser, `${shoal.http}/refused`);
    await amy.join("amy");
    const text = amy.page.locator("#text");
    await text.fill("a".repeat(19));
    await amy.page.getByText("1 character left").waitFor();
    await text.fill("a".repeat(21));
    await amy.page.getByText("1 character too many").waitFor();
    await text.fill("a".repeat(22));
    await amy.page.getByText("2 characters too many").waitFor();
    expect(await amy.page.locator("#send").isDisabled()).toBe(true);
    // Nothing visible for the server, though the field is not empty.
    await amy.say("\u200B");
    await amy.page.getByText("Not sent. It has nothing visible").waitFor();
    await text.fill("b");
    await amy.page.getByRole("button", { name: "Edit" }).click();
    await amy.page.locator("#rows li").waitFor({ state: "detached" });
    expect(await text.inputValue()).toBe("\u200B\nb");
    await amy.say("\u200B");
    await amy.page.getByRole("button", { name: "Discard" }).click();
    await amy.page.locator("#rows li").waitFor({ state: "detached" });
    await amy.close();
    await shoal.end();
  });
});
