/** The browsers that are tested, and what each is made to be. The order is that of docs/compatibility.md. */
import type { FaultSource } from "../../src/testing/index.js";
import type { Browser } from "./browsers/browser.js";
import { startChromium } from "./browsers/chromium.js";
import { startFirefox } from "./browsers/firefox.js";
import { startWebKit } from "./browsers/webkit.js";
import type { Case } from "./cases.js";

export interface Column {
  readonly name: string;
  /** What it is, for the page's readers. */
  readonly what: string;
  /** What the line between browser and server is like. */
  readonly line: FaultSource;
  /** Why a thing cannot be driven here, for each that cannot. */
  readonly lacks: Readonly<Partial<Record<NonNullable<Case["needs"]>, string>>>;
  start(): Promise<Browser>;
}

const SLOW_LINE: FaultSource = { up: { latencyMs: 30, bytesPerSecond: 1_000_000 }, down: { latencyMs: 30, bytesPerSecond: 1_000_000 } };

export const COLUMNS: readonly Column[] = [
  { name: "Chromium", what: "headless, over the DevTools protocol", line: "clean", lacks: {}, start: () => startChromium() },
  {
    name: "Chromium, phone",
    what: "the same with the screen, touch and name of a phone",
    line: "clean",
    lacks: {},
    start: () => startChromium({ phone: true }),
  },
  {
    name: "Chromium, throttled",
    what: "a processor four times slower, on a line of 8 Mbit/s and 60 ms there and back",
    line: SLOW_LINE,
    lacks: {},
    start: () => startChromium({ cpuSlowdown: 4 }),
  },
  {
    name: "Firefox",
    what: "Debian's extended support release, headless, over WebDriver BiDi",
    line: "clean",
    lacks: {},
    start: startFirefox,
  },
  {
    name: "WebKit",
    what: "WebKitGTK's MiniBrowser on a virtual screen, over WebDriver",
    line: "clean",
    lacks: { setOffline: "WebDriver has no command to take the network away, and WebKitGTK has none of its own" },
    start: startWebKit,
  },
];
