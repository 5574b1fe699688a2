/**
 * Debian's Chromium over the DevTools protocol, spoken directly: Playwright, which other tests use, keeps tabs from being
 * hidden and switches the back-forward cache off. https://chromedevtools.github.io/devtools-protocol/
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHROMIUM, CHROMIUM_FLAGS } from "../../helpers/chromium.js";
import { type Browser, type Tab, until, unwrapped, wrapped } from "./browser.js";
import { Commands } from "./commands.js";
import { Program } from "./program.js";

/** What a tab pretends to be. */
export interface ChromiumProfile {
  /** A phone's screen, touch and name. */
  readonly phone?: true;
  /** So many times slower than this machine. */
  readonly cpuSlowdown?: number;
}

const PHONE = {
  metrics: { width: 412, height: 915, deviceScaleFactor: 2.625, mobile: true },
  userAgent: "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
};

export async function startChromium(profile: ChromiumProfile = {}): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), "framewire-chromium-"));
  const flags = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${folder}`, ...CHROMIUM_FLAGS, "about:blank"];
  const [program, [, url]] = await Program.start(CHROMIUM, flags, /DevTools listening on (ws:\S+)/);
  const commands = await Commands.connect(String(url));
  const { product } = await commands.send<{ product: string }>("Browser.getVersion");
  return {
    version: product.replace(/^.*\//, ""),
    openTab: () => ChromiumTab.open(commands, profile),
    close: async () => {
      commands.close();
      await program.end();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

class ChromiumTab implements Tab {
  readonly #commands: Commands;
  readonly #targetId: string;
  readonly #sessionId: string;
  /** The tab in front of this one while it is hidden. */
  #cover: string | undefined;

  private constructor(commands: Commands, targetId: string, sessionId: string) {
    this.#commands = commands;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
  }

  static async open(commands: Commands, { phone, cpuSlowdown }: ChromiumProfile): Promise<Tab> {
    const { targetId } = await commands.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await commands.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    const tab = new ChromiumTab(commands, targetId, sessionId);
    await tab.#send("Page.enable");
    await tab.#send("Network.enable");
    if (phone) {
      await tab.#send("Emulation.setDeviceMetricsOverride", PHONE.metrics);
      await tab.#send("Emulation.setTouchEmulationEnabled", { enabled: true });
      await tab.#send("Emulation.setUserAgentOverride", { userAgent: PHONE.userAgent });
    }
    if (cpuSlowdown !== undefined) await tab.#send("Emulation.setCPUThrottlingRate", { rate: cpuSlowdown });
    return tab;
  }

  async navigate(url: string): Promise<void> {
    await this.#send("Page.navigate", { url });
    await until(`${url} has loaded`, () => this.evaluate(`location.href === ${JSON.stringify(url)} && document.readyState === "complete"`));
  }

  async reload(): Promise<void> {
    await this.#send("Page.reload");
  }

  async back(): Promise<void> {
    const { currentIndex, entries } = await this.#send<{ currentIndex: number; entries: { id: number }[] }>("Page.getNavigationHistory");
    await this.#send("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1]?.id });
  }

  async evaluate(expression: string): Promise<unknown> {
    const params = { expression: wrapped(expression), awaitPromise: true };
    const { result } = await this.#send<{ result: { value?: unknown } }>("Runtime.evaluate", params);
    return unwrapped(result.value);
  }

  async hide(): Promise<void> {
    this.#cover = (await this.#commands.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" })).targetId;
    await this.#commands.send("Target.activateTarget", { targetId: this.#cover });
  }

  async show(): Promise<void> {
    await this.#commands.send("Target.activateTarget", { targetId: this.#targetId });
    if (this.#cover !== undefined) await this.#commands.send("Target.closeTarget", { targetId: this.#cover });
    this.#cover = undefined;
  }

  async setOffline(offline: boolean): Promise<void> {
    await this.#send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  }

  async close(): Promise<void> {
    await this.#commands.send("Target.closeTarget", { targetId: this.#targetId });
  }

  #send<T = unknown>(method: string, params: object = {}): Promise<T> {
    return this.#commands.send<T>(method, params, { sessionId: this.#sessionId });
  }
}
