import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { launch, person, visit } from "../helpers/browser.ts";
import { type Shoal, startShoal } from "../helpers/shoal.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

describe("the page", () => {
  let shoal: Shoal;
  beforeAll(async () => {
    shoal = await startShoal();
  });
  afterAll(() => shoal.end());

  test("two people talk, without errors on either page", async () => {
    const url = `${shoal.http}/two`;
    const amy = await visit(browser, url);
    const bob = await visit(browser, url);
    await amy.join("amy");
    await amy.say("hello\nthere, https://example.com/a?b=1.");
    await bob.sees("there");
    await bob.join("bob");
    await bob.say("hi @AMY");
    await amy.sees("hi @AMY");
    await bob.sees("hi @AMY");
    expect(await amy.texts()).toEqual(["hello\nthere, https://example.com/a?b=1.", "hi @AMY"]);
    expect(await bob.texts()).toEqual(await amy.texts());

    const link = bob.page.locator("#rows a");
    expect(await link.getAttribute("href")).toBe("https://example.com/a?b=1");
    expect(await link.getAttribute("rel")).toContain("noopener");
    expect(await amy.page.locator("#rows mark").textContent()).toBe("@AMY");
    expect(await bob.page.locator("#rows mark").count()).toBe(0);
    await amy.page.locator("#names li", { hasText: "bob" }).waitFor();
    expect([...amy.faults, ...bob.faults]).toEqual([]);
    await Promise.all([amy.close(), bob.close()]);
  });

  test("a name that is taken or not valid is explained at the field", async () => {
    const url = `${shoal.http}/taken`;
    const amy = await visit(browser, url);
    await amy.join("amy");
    const other = await visit(browser, url);
    const name = other.page.locator("#name");
    const fault = other.page.locator("#name-fault");
    await name.fill("AMY");
    await name.press("Enter");
    await other.page.getByText("Someone in this channel already has this name").waitFor();
    expect(await name.getAttribute("aria-invalid")).toBe("true");
    await name.fill("a\u200Bb");
    expect(await fault.textContent()).toBe("");
    await name.press("Enter");
    await other.page.getByText("This name is not valid").waitFor();
    await other.join("amy 2");
    await other.say("me too");
    await amy.sees("me too");
    await Promise.all([amy.close(), other.close()]);
  });

  test("a name is remembered, a draft survives, and leaving gives the name up", async () => {
    const url = `${shoal.http}/remembered`;
    const amy = await visit(browser, url);
    await amy.join("amy");
    await amy.page.locator("#text").fill("half a thought");
    await amy.page.reload();
    await amy.page.getByPlaceholder("Write as amy").waitFor();
    expect(await amy.page.locator("#text").inputValue()).toBe("half a thought");
    await amy.page.locator("#text").press("Enter");
    await amy.sees("half a thought");

    await amy.page.locator("#show-menu").click();
    await amy.page.locator("#leave").click();
    await amy.page.locator("#name").waitFor();
    const other = await visit(browser, url);
    await other.join("amy");
    expect(await amy.page.locator("#name").inputValue()).toBe("amy");
    await Promise.all([amy.close(), other.close()]);
  });

  test("the name field has the focus, except on a phone or if something else has it", async () => {
    const url = `${shoal.http}/focus`;
    const focused = (page: Page) => page.evaluate("document.activeElement.id");
    const desktop = await visit(browser, url);
    expect(await focused(desktop.page)).toBe("name");
    const phone = await visit(browser, url, { hasTouch: true, isMobile: true });
    expect(await focused(phone.page)).toBe("");

    await desktop.page.addInitScript(`
      document.addEventListener("readystatechange", () => {
        const busy = document.createElement("input");
        busy.id = "busy";
        document.body.append(busy);
        busy.focus();
      }, { once: true });
    `);
    await desktop.page.reload();
    await desktop.page.locator("#naming").waitFor();
    expect(await focused(desktop.page)).toBe("busy");
    await Promise.all([desktop.close(), phone.close()]);
  });

  test("with a name, the name form changes it", async () => {
    const { page, join, close } = await visit(browser, `${shoal.http}/renamed`);
    const label = page.locator("#naming label");
    const button = page.locator("#join");
    expect(await label.textContent()).toBe("Your name in this channel");
    expect(await button.textContent()).toBe("Join");
    await join("amy");
    await page.locator("#show-menu").click();
    await page.locator("#rename").click();
    expect(await page.getByLabel("Your new name").inputValue()).toBe("amy");
    expect(await button.textContent()).toBe("Change");
    await join("amy 2");
    await page.getByPlaceholder("Write as amy 2").waitFor();

    // Given up instead of changed.
    await page.locator("#show-menu").click();
    await page.locator("#rename").click();
    await page.locator("#show-menu").click();
    await page.locator("#leave").click();
    await page.getByLabel("Your name in this channel").waitFor();
    expect(await button.textContent()).toBe("Join");
    await close();
  });

  test("a second tab reads along, takes over on request, and keeps the name", async () => {
    const url = `${shoal.http}/tabs`;
    const first = await visit(browser, url);
    await first.join("amy");
    const second = await person(await first.page.context().newPage(), url);
    await second.page.getByText("You are talking as amy in another tab.").waitFor();
    await first.say("from the first");
    await second.sees("from the first");

    await second.page.getByRole("button", { name: "Talk here instead" }).click();
    await second.page.getByPlaceholder("Write as amy").waitFor();
    await first.page.getByText("You are talking as amy in another tab now.").waitFor();
    await second.say("from the second");
    await first.page.bringToFront();
    await first.sees("from the second");
    expect(await first.page.locator("#elsewhere").isVisible()).toBe(true);
    expect(await second.page.locator("#text").isVisible()).toBe(true);

    await first.page.getByRole("button", { name: "Use another name" }).click();
    expect(await first.page.locator("#join").textContent()).toBe("Join");
    await first.join("amy at work");
    await first.say("both of me");
    await second.sees("both of me");
    expect(await second.page.locator("#text").isVisible()).toBe(true);
    expect([...first.faults, ...second.faults]).toEqual([]);
    await first.close();
  });

  test("a second tab continues after the first is closed, and one can cancel another name", async () => {
    const url = `${shoal.http}/closed-tab`;
    const first = await visit(browser, url);
    await first.join("amy");
    const second = await person(await first.page.context().newPage(), url);
    const notice = second.page.getByText("You are talking as amy in another tab.");
    await notice.waitFor();
    await second.page.getByRole("button", { name: "Use another name" }).click();
    await second.page.getByRole("button", { name: "Cancel" }).click();
    await notice.waitFor();

    // A reload does not free the name, if it takes less than two seconds: here none passes meanwhile.
    await second.page.clock.install();
    await second.page.clock.pauseAt(Date.now() + 1000);
    await first.page.reload();
    await first.page.getByPlaceholder("Write as amy").waitFor();
    await second.page.clock.runFor(2500);
    await second.page.clock.resume();
    expect(await notice.isVisible()).toBe(true);
    expect(await first.page.locator("#text").isVisible()).toBe(true);

    await first.page.close();
    await second.page.getByPlaceholder("Write as amy").waitFor();
    await second.say("still me");
    await second.sees("still me");

    // It also continues after a tab that took over.
    const third = await person(await second.page.context().newPage(), url);
    await third.page.getByRole("button", { name: "Talk here instead" }).click();
    await second.page.getByText("You are talking as amy in another tab now.").waitFor();
    await third.page.close();
    await second.page.getByPlaceholder("Write as amy").waitFor();
    await second.close();
  });

  test("a script in a text, a name or a channel does nothing", async () => {
    const script = "<img src=x onerror=document.title='owned'><script>alert(1)</script>";
    const url = `${shoal.http}/${encodeURIComponent(script)}`;
    const eve = await visit(browser, url);
    let alerted = false;
    eve.page.on("dialog", (dialog) => {
      alerted = true;
      void dialog.dismiss();
    });
    await eve.join("<b onclick=alert(1)>eve");
    await eve.say(script);
    await eve.sees(script);
    await eve.say("javascript:alert(1) data:text/html,<script>alert(1)</script>");
    await eve.sees("javascript:alert(1)");
    expect(await eve.page.locator("#channel").textContent()).toBe(script);
    expect(await eve.page.locator("#rows .name").first().textContent()).toStartWith("<b onclick");
    expect(await eve.page.locator("#rows img, #rows script, #rows b, #rows a").count()).toBe(0);
    expect(await eve.page.title()).toContain("<img");
    expect(alerted).toBe(false);
    expect(eve.faults).toEqual([]);
    await eve.close();
  });

  test("the start page leads to a channel and lists the recent ones", async () => {
    const { page, faults, close } = await visit(browser, `${shoal.http}/`);
    await page.locator("#which").fill("-/no");
    await page.locator("#which").press("Enter");
    await page.getByText("reserved for the server").waitFor();
    await page.locator("#which").fill("https://other.example/lakes");
    await page.locator("#which").press("Enter");
    await page.getByText("This link leads to another server.").waitFor();
    await page.locator("#which").fill("#café/été");
    await page.locator("#which").press("Enter");
    await page.waitForURL(`${shoal.http}/caf%C3%A9/%C3%A9t%C3%A9`);
    await page.locator("#channel", { hasText: "café/été" }).waitFor();
    await page.goto(`${shoal.http}/`);
    await page.getByRole("link", { name: "café/été" }).click();
    await page.locator("#state.open").waitFor();
    expect(faults).toEqual([]);
    await close();
  });

  test("recent channels never lead off the server", async () => {
    const { page, close } = await visit(browser, `${shoal.http}//example.com/x`);
    await page.locator("#state.open").waitFor();
    await page.goto(`${shoal.http}/..%2Fx`);
    await page.locator("#state.open").waitFor();
    await page.goto(`${shoal.http}/`);
    const links = page.locator("#recent-channels a");
    expect(await links.count()).toBe(1);
    await links.click();
    await page.waitForURL(`${shoal.http}/%2Fexample.com/x`);
    await page.locator("#channel", { hasText: "/example.com/x" }).waitFor();
    await close();
  });

  test("mentions cause notifications only if they are on, and only in a hidden tab", async () => {
    const url = `${shoal.http}/notified`;
    const amy = await visit(browser, "about:blank");
    await amy.page.addInitScript(`
      window.shown = [];
      window.Notification = class {
        static permission = "default";
        static async requestPermission() { return (this.permission = "granted"); }
        constructor(title) { shown.push(title); }
      };
    `);
    await amy.page.goto(url);
    const toggle = amy.page.locator("#notify");
    expect((await toggle.textContent())?.trim()).toBe("Notify me when someone writes @name");
    await amy.join("amy");
    const bob = await visit(browser, url);
    await bob.join("bob");
    const hide = `
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));`;
    await amy.page.evaluate(hide);
    await bob.say("@amy one");
    await amy.sees("@amy one");
    expect(await amy.page.evaluate("shown")).toEqual([]);
    await amy.page.locator("#show-menu").click();
    await amy.page.getByRole("button", { name: "when someone writes @amy" }).click();
    await amy.page.locator("#notify[aria-pressed=true]").waitFor();
    await bob.say("nobody in particular");
    await bob.say("@amy two");
    await amy.sees("@amy two");
    expect(await amy.page.evaluate("shown")).toEqual(["bob in #notified"]);
    await Promise.all([amy.close(), bob.close()]);
  });

  test("the link can be copied, and the switcher leads to another channel", async () => {
    const url = `${shoal.http}/from here`;
    const { page, close } = await visit(browser, url, {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await page.locator("#show-menu").click();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(encodeURI(url));
    await page.keyboard.press("Escape");
    await page.locator("#switch").click();
    await page.locator("#which").fill("there");
    await page.locator("#which").press("Enter");
    await page.waitForURL(`${shoal.http}/there`);
    await page.locator("#switch").click();
    await page.getByRole("link", { name: "from here" }).waitFor();
    await page.locator("#which").fill(encodeURI(url).replace("http", "ws"));
    await page.locator("#which").press("Enter");
    await page.waitForURL(encodeURI(url));
    await close();
  });

  test("the keyboard is enough", async () => {
    const amy = await visit(browser, `${shoal.http}/keys`);
    await amy.join("amy");
    const { page } = amy;
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await amy.sees("one\ntwo");
    await page.locator("#show-menu").focus();
    await page.keyboard.press("Enter");
    await page.locator("#menu:popover-open").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#menu:popover-open").waitFor({ state: "detached" });
    expect(await page.evaluate("document.activeElement.id")).toBe("show-menu");
    await amy.close();
  });
});
