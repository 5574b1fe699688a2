/** The chat page on a phone: who is who, what it says while its server is away, and how a person gets back. */
import { createServer } from "node:net";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ChatExample } from "../helpers/chat-example.js";
import { launchChromium } from "../helpers/chromium.js";

const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const SMALL_PHONE: BrowserContextOptions = { ...PHONE, viewport: { width: 320, height: 568 }, colorScheme: "dark" };

/** Longer than this no wait of a client is here: the server asks for one second. */
const SOON = { timeout: 20_000 };

let browser: Browser;
let chat: ChatExample;
let ports: readonly string[];
let url: string;
const broken: string[] = [];

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The server on the same ports as before. */
async function startAgain(): Promise<void> {
  chat = ChatExample.built(...ports);
  await chat.printed(/http:\/\/127\.0\.0\.1:\d+\//);
}

async function openPage(author: string, options = PHONE, prepare = async (_: Page) => {}): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("pageerror", (error) => broken.push(`${author}: ${error.message}`));
  await prepare(page);
  await page.addInitScript((name) => localStorage.getItem("author") ?? localStorage.setItem("author", name), author);
  await page.goto(url);
  return page;
}

async function connectedPage(author: string, options = PHONE): Promise<Page> {
  const page = await openPage(author, options);
  await inState(page, "connected");
  return page;
}

const inState = (page: Page, state: string) => page.locator(`#state[data-state="${state}"]`).waitFor(SOON);
const message = (page: Page) => page.getByRole("textbox", { name: "Message" });
const notice = (page: Page) => page.getByRole("region", { name: "Connection" });
/** The lines that are `text` and no more: the TCP peer answers with what it quotes. */
const linesWith = (page: Page, text: string) =>
  page
    .getByRole("log")
    .locator(".line")
    .filter({ has: page.getByText(text, { exact: true }) });
const idOf = (line: Locator) => line.locator(".number").innerText();

/** What of the conversation is below what the reader sees, in pixels. */
const toEnd = (page: Page) =>
  page.locator("#scroller").evaluate((each) => Math.round(each.scrollHeight - each.scrollTop - each.clientHeight));
const heightOf = (page: Page) => page.locator("#scroller").evaluate((each) => each.clientHeight);

/** Gives a field a value that no reader could type. */
function tooLong(field: HTMLElement | SVGElement): void {
  if (field instanceof HTMLInputElement) field.value = "n".repeat(65);
}

async function write(page: Page, text: string): Promise<void> {
  await message(page).fill(text);
  await message(page).press("Enter");
}

/** Parts of the page that are wider than the page lets them be. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll("body *")]
      .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 && !each.matches(".hidden, .hidden *"))
      .map((each) => `${each.tagName}.${each.className}: ${each.textContent}`),
  );
}

beforeAll(async () => {
  ports = ["--port", String(await freePort()), "--tcp-port", String(await freePort())];
  chat = new ChatExample(...ports);
  browser = await launchChromium();
  url = (await chat.printed(/http:\/\/127\.0\.0\.1:\d+\//, 100_000))[0];
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  expect(broken.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await chat?.stop();
});

test("peers of the same name are told apart by the ids that the server gave them, and a page takes no other's line for its own", async () => {
  const [one, other] = [await connectedPage("Sam"), await connectedPage("Sam", SMALL_PHONE)];
  await write(one, "from the first Sam");
  await write(other, "from the second Sam");
  const ids: string[][] = [];
  for (const page of [one, other]) {
    const lines = [linesWith(page, "from the first Sam"), linesWith(page, "from the second Sam")];
    ids.push(await Promise.all(lines.map(idOf)));
    await page.getByText(/^here: 2 WebSocket, \d TCP$/).click();
    const here = page.getByRole("list", { name: "Who is here" }).getByRole("listitem").filter({ hasText: "Sam" });
    await expect.poll(() => here.locator(".number").allInnerTexts()).toEqual(ids[0]);
    expect(await here.filter({ hasText: "you" }).locator(".number").allInnerTexts()).toEqual([ids[0]?.[page === one ? 0 : 1]]);
  }
  expect(ids[0]).toEqual(ids[1]);
  expect(new Set(ids[0]).size).toBe(2);
  expect(await one.locator(".own .bubble").allInnerTexts()).toEqual(["from the first Sam"]);
  expect(await other.locator(".own .bubble").allInnerTexts()).toEqual(["from the second Sam"]);

  await one.reload();
  await expect.poll(() => one.locator(".own .bubble").allInnerTexts()).toEqual(["from the first Sam"]);
});

test("a name that is changed is shown to the others before anything is written under it", async () => {
  const [page, other] = [await connectedPage("Before"), await connectedPage("Other")];
  await other.locator("#presence summary").click();
  await other.locator(".peer", { hasText: "Before" }).waitFor();
  await page.getByRole("textbox", { name: "Name" }).fill("After");
  await page.getByRole("textbox", { name: "Name" }).blur();
  await other.locator(".peer", { hasText: "After" }).waitFor();
});

test.each([PHONE, SMALL_PHONE])(
  "long names, long words and right-to-left names stay in their place: $viewport.width wide",
  async (options) => {
    const width = options.viewport?.width;
    const page = await connectedPage("Reader", options);
    await page.locator("#presence summary").click();
    const names = ["Wolfeschlegelsteinhausen", "مريم العربية", "\u202Eevil\u202E"];
    for (const name of names) {
      const writer = await connectedPage(name, SMALL_PHONE);
      const text = `${"long".repeat(40)} ${width} ${names.indexOf(name)}`;
      await write(writer, text);
      const line = linesWith(page, text);
      await line.waitFor();
      // The name's direction turns nothing around it: the id and the transport come after it.
      const ordered = await line.evaluate((each) => {
        // All at one moment: a line that comes meanwhile moves this one.
        const [author, number, via] = [".author", ".number", ".via"].map(
          (part) => each.querySelector(part)?.getBoundingClientRect() as DOMRect,
        );
        const follows = (a: DOMRect | undefined, b: DOMRect | undefined) =>
          a !== undefined && b !== undefined && (b.top >= a.bottom - 4 || b.left >= a.right);
        return [follows(author, number), follows(number, via)];
      });
      expect([name, ...ordered]).toEqual([name, true, true]);
      expect(await tooWide(writer)).toEqual([]);
    }
    expect(await tooWide(page)).toEqual([]);
  },
);

test("a page whose server has stopped says so, and when it tries again; a screen reader hears that once", async () => {
  const page = await connectedPage("Sam", SMALL_PHONE);
  await expect.poll(() => page.getByRole("status").innerText()).toBe("Connected.");
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(globalThis, { heard });
    const news = document.querySelector("[role=status]") as HTMLElement;
    new MutationObserver(() => heard.push(news.textContent ?? "")).observe(news, { childList: true, characterData: true, subtree: true });
  });
  await chat.stop();
  await inState(page, "retry-pending");
  await notice(page)
    .getByText(/^Trying again in \d+ s\. What you write is sent then\.$/)
    .waitFor(SOON);
  await notice(page).getByText("The connection is lost.").waitFor();
  await page.getByText(/^were here: \d WebSocket, \d TCP$/).waitFor();
  expect(await tooWide(page)).toEqual([]);
  const button = page.getByRole("button", { name: "Try now" });
  expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
  // Two more attempts fail.
  for (let attempt = 0; attempt < 2; attempt++) {
    await button.click();
    await page.waitForFunction(() => document.querySelector("#notice-text")?.textContent?.startsWith("Trying again") === true);
  }
  expect(await page.evaluate(() => Reflect.get(globalThis, "heard"))).toEqual(["The connection is lost. The page tries again by itself."]);

  await startAgain();
  await inState(page, "connected");
  expect(await notice(page).count()).toBe(0);
  await expect.poll(() => page.getByRole("status").innerText()).toBe("Connected again.");
});

test("what is written without a server waits, is posted once when that is back, and the reader sees where the new room begins", async () => {
  const [page, other] = [await connectedPage("Sam"), await connectedPage("Ada")];
  await write(page, "before the restart");
  await linesWith(page, "before the restart").waitFor();
  await chat.stop();
  await inState(page, "retry-pending");
  await write(page, "written without a server");
  const draft = page.getByRole("list", { name: "Not posted yet" }).getByRole("listitem");
  await draft.getByText("waits for the connection").waitFor();
  expect(await linesWith(page, "written without a server").count()).toBe(0);

  await startAgain();
  await page.getByRole("button", { name: "Try now" }).press("Enter");
  await inState(page, "connected");
  // The button is gone; the focus is where one writes.
  expect(await message(page).evaluate((each) => each === document.activeElement)).toBe(true);
  await linesWith(page, "written without a server").waitFor();
  expect(await draft.count()).toBe(0);
  await inState(other, "connected");
  await linesWith(other, "written without a server").waitFor(SOON);
  for (const each of [page, other]) {
    expect(await linesWith(each, "written without a server").count()).toBe(1);
    expect(await each.getByText("The server was started anew: its room begins here.").count()).toBe(1);
  }
  const order = await page.locator("#lines > li").allInnerTexts();
  const at = (text: string) => order.findIndex((line) => line.includes(text));
  expect(at("before the restart")).toBeLessThan(at("started anew"));
  expect(at("started anew")).toBeLessThan(at("written without a server"));
  expect(await page.locator(".own", { hasText: "written without a server" }).count()).toBe(1);
  expect(await other.locator(".own", { hasText: "written without a server" }).count()).toBe(0);
});

test("a page that the server refuses says why, and that only a person can try again", async () => {
  let refused = true;
  const page = await openPage("Sam", PHONE, (each) =>
    each.routeWebSocket(/.*/, (socket) => {
      if (refused) setTimeout(() => socket.close({ code: 4416, reason: "the token is too old" }), 50);
      else socket.connectToServer();
    }),
  );
  await inState(page, "disconnected");
  await notice(page).getByText("The server refused the connection.").waitFor();
  await notice(page).getByText("The page does not try again by itself.").waitFor();
  await notice(page).getByText("the token is too old").waitFor();
  expect(await page.getByRole("status").innerText()).toContain("The server refused the connection.");
  await page.getByRole("button", { name: "Connect" }).press("Enter");
  await expect.poll(() => page.locator("#state").getAttribute("data-state")).toBe("disconnected");

  // Nothing will be sent by itself: the page does not keep a writer waiting.
  await write(page, "let me in");
  const draft = page.getByRole("list", { name: "Not posted yet" }).getByRole("listitem");
  await draft.getByText(/^Not sent: /).waitFor();

  refused = false;
  await page.getByRole("button", { name: "Connect" }).click();
  await inState(page, "connected");
  await draft.getByRole("button", { name: "Send again" }).click();
  await linesWith(page, "let me in").waitFor();
  expect(await draft.count()).toBe(0);
});

test("a line that the server does not take is kept, with the reason; it can be sent again or deleted", async () => {
  const page = await connectedPage("Sam");
  const name = page.getByRole("textbox", { name: "Name" });
  await name.evaluate(tooLong);
  await write(page, "under too long a name");
  const draft = page.getByRole("list", { name: "Not posted yet" }).getByRole("listitem");
  await draft.getByText("Not sent: a name has at most 64 characters").waitFor();
  expect(await page.getByRole("status").innerText()).toBe("Not sent: a name has at most 64 characters");
  expect((await draft.getByRole("button", { name: "Send again" }).boundingBox())?.height).toBeGreaterThanOrEqual(44);
  await name.fill("Sam");
  await draft.getByRole("button", { name: "Send again" }).click();
  await linesWith(page, "under too long a name").waitFor();
  expect(await draft.count()).toBe(0);

  await name.evaluate(tooLong);
  await write(page, "given up");
  await draft.getByRole("button", { name: "Delete" }).click();
  expect(await draft.count()).toBe(0);
  expect(await linesWith(page, "given up").count()).toBe(0);
});

test("a reader at the end stays there when a notice takes some of the height, and one who has scrolled up is left alone", async () => {
  const page = await connectedPage("Sam", SMALL_PHONE);
  for (let i = 0; i < 12; i++) await write(page, `line ${i} of many`);
  await linesWith(page, "line 11 of many").waitFor();
  await expect.poll(() => toEnd(page)).toBeLessThanOrEqual(1);
  const before = await heightOf(page);
  await chat.stop();
  await notice(page).waitFor(SOON);
  await expect.poll(() => heightOf(page)).toBeLessThan(before);
  await expect.poll(() => toEnd(page)).toBeLessThanOrEqual(1);
  await page.locator("#scroller").evaluate((each) => each.scrollTo({ top: 0 }));
  await startAgain();
  await inState(page, "connected");
  // Twice at times: as a line of the room's past, and as the line that the peer has just written.
  await linesWith(page, "Write something and I answer.").first().waitFor(SOON);
  expect(await page.locator("#scroller").evaluate((each) => each.scrollTop)).toBe(0);
});

test("a reader at the end stays there when the height changes in the frame in which the page has scrolled", async () => {
  const page = await connectedPage("Sam", SMALL_PHONE);
  for (let i = 0; i < 12; i++) await write(page, `line ${i} of many`);
  await linesWith(page, "line 11 of many").waitFor();
  await expect.poll(() => toEnd(page)).toBeLessThanOrEqual(1);
  await page.locator("#scroller").evaluate((each) => {
    each.scrollBy({ top: -5 });
    (each as HTMLElement).style.flex = `0 0 ${each.clientHeight - 150}px`;
  });
  await expect.poll(() => toEnd(page)).toBeLessThanOrEqual(1);
});
