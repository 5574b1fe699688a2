import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ChatExample } from "../helpers/chat-example.js";
import { launchChromium } from "../helpers/chromium.js";

const PHONE = "Mia's phone";

let chat: ChatExample;
let browser: Browser;
let url: string;
const complaints: string[] = [];

/** Opens the chat page; what its console or code complains of is kept. */
async function openPage(author: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 900, height: 700 } });
  page.on("pageerror", (error) => complaints.push(`${author}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`${author}: ${message.text()}`);
  });
  await page.goto(url);
  await page.locator('#state[data-state="connected"]').waitFor();
  await page.fill("#author", author);
  return page;
}

async function write(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.click("#send");
}

/** Waits for a line of `author` that holds `text` and gives back how the page says it came. */
async function via(page: Page, author: string, text: string): Promise<string | null> {
  const line = page.locator(".line", { hasText: text }).filter({ has: page.locator("b", { hasText: author }) });
  await line.first().waitFor();
  return line.first().locator(".via").textContent();
}

beforeAll(async () => {
  chat = new ChatExample("--port", "0", "--tcp-port", "0");
  browser = await launchChromium();
  url = (await chat.printed(/http:\/\/127\.0\.0\.1:\d+\//, 100_000))[0];
});

afterAll(async () => {
  await browser?.close();
  await chat?.stop();
});

test("the page shows what the TCP peer wrote, in version 1", async () => {
  const page = await openPage("Ada");
  expect(await via(page, PHONE, "on a plain TCP socket")).toBe("TCP v1");
  await page.close();
});

test("what is typed in one page appears there, in another page and on the TCP peer, which answers both", async () => {
  const [ada, grace] = [await openPage("Ada"), await openPage("Grace")];
  await write(ada, "Hello from Ada, with ünïcödé 🚀");
  for (const page of [ada, grace]) {
    expect(await via(page, "Ada", "Hello from Ada, with ünïcödé 🚀")).toBe("WebSocket v2");
    expect(await via(page, PHONE, "Got it, Ada: “Hello from Ada, with ünïcödé 🚀”")).toBe("TCP v1");
  }
  expect(await ada.locator(".line.own").count()).toBe(1);
  expect(await grace.locator(".line.own").count()).toBe(0);
  await Promise.all([ada.close(), grace.close()]);
});

test("a page opened later is shown the lines before it, in order and once each", async () => {
  const page = await openPage("Late");
  await via(page, PHONE, "Got it, Ada");
  const ids = await page.locator(".line").evaluateAll((items) => items.map((item) => Number((item as HTMLElement).dataset.id)));
  expect(ids.length).toBeGreaterThanOrEqual(3);
  expect(ids).toEqual(ids.map((_, index) => index + 1));
  await page.close();
});

test("the page says how many are there, by transport", async () => {
  const page = await openPage("Counter");
  await page.locator("#presence", { hasText: "here: 1 WebSocket, 1 TCP" }).waitFor();
  const other = await openPage("Other");
  await page.locator("#presence", { hasText: "here: 2 WebSocket, 1 TCP" }).waitFor();
  await other.close();
  await page.locator("#presence", { hasText: "here: 1 WebSocket, 1 TCP" }).waitFor();
  await page.close();
});

test("the server printed each frame, decoded: call, reply and event, in both versions", async () => {
  const json = (text: string): string => `\\{.*${text}.*\\}`;
  await chat.printed(/WebSocket peer #\d+ came from 127\.0\.0\.1/);
  await chat.printed(/WebSocket peer #\d+ left: 1001/);
  await chat.printed(new RegExp(`in {2}TCP +v1 #\\d+ +Send +\\d+ B {2}${json(`"author":"${PHONE}"`)}`));
  await chat.printed(/out TCP +v1 #\d+ +Send reply +\d+ B {2}\{"id":"1"\}/);
  await chat.printed(new RegExp(`in {2}WebSocket v2 #\\d+ +Send +\\d+ B {2}${json('"author":"Ada"')}`));
  await chat.printed(/out WebSocket v2 #\d+ +Send reply +\d+ B {2}\{"id":"\d+"\}/);
  await chat.printed(new RegExp(`out TCP +v1 #\\d+ +Posted +\\d+ B {2}${json('"author":"Ada"')}`));
  await chat.printed(new RegExp(`out WebSocket v2 #\\d+ +Posted +\\d+ B {2}${json('"author":"Ada"')}`));
});

test("no page complained of anything", () => {
  expect(complaints).toEqual([]);
});
