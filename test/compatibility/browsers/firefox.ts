/** Debian's Firefox over WebDriver BiDi. https://w3c.github.io/webdriver-bidi/ */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type Tab, unwrapped, wrapped } from "./browser.js";
import { Commands } from "./commands.js";
import { Program } from "./program.js";

/** Where Debian's package puts it; `FIREFOX` names another. */
const EXECUTABLE = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

export async function startFirefox(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), "framewire-firefox-"));
  const flags = ["--headless", "--no-remote", "--profile", folder, "--remote-debugging-port=0", "about:blank"];
  const [program, [, url]] = await Program.start(EXECUTABLE, flags, /WebDriver BiDi listening on (ws:\S+)/);
  const commands = await Commands.connect(`${url}/session`);
  const { capabilities } = await commands.send<{ capabilities: { browserVersion: string } }>("session.new", { capabilities: {} });
  return {
    version: capabilities.browserVersion,
    openTab: async () => new FirefoxTab(commands, await openContext(commands)),
    close: async () => {
      commands.close();
      await program.end();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function openContext(commands: Commands): Promise<string> {
  return (await commands.send<{ context: string }>("browsingContext.create", { type: "tab" })).context;
}

class FirefoxTab implements Tab {
  readonly #commands: Commands;
  readonly #context: string;
  /** The tab in front of this one while it is hidden. */
  #cover: string | undefined;

  constructor(commands: Commands, context: string) {
    this.#commands = commands;
    this.#context = context;
  }

  async navigate(url: string): Promise<void> {
    await this.#commands.send("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  async reload(): Promise<void> {
    await this.#commands.send("browsingContext.reload", { context: this.#context, wait: "complete" });
  }

  async back(): Promise<void> {
    await this.#commands.send("browsingContext.traverseHistory", { context: this.#context, delta: -1 });
  }

  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#commands.send<{ result?: { value: unknown }; exceptionDetails?: { text: string } }>(
      "script.evaluate",
      { expression: wrapped(expression), awaitPromise: true, target: { context: this.#context } },
    );
    if (result === undefined) throw new Error(exceptionDetails?.text ?? "the page could not evaluate");
    return unwrapped(result.value);
  }

  async hide(): Promise<void> {
    this.#cover = await openContext(this.#commands);
    await this.#commands.send("browsingContext.activate", { context: this.#cover });
  }

  async show(): Promise<void> {
    await this.#commands.send("browsingContext.activate", { context: this.#context });
    if (this.#cover !== undefined) await this.#commands.send("browsingContext.close", { context: this.#cover });
    this.#cover = undefined;
  }

  async setOffline(offline: boolean): Promise<void> {
    const networkConditions = offline ? { type: "offline" } : null;
    await this.#commands.send("emulation.setNetworkConditions", { networkConditions, contexts: [this.#context] });
  }

  async close(): Promise<void> {
    await this.#commands.send("browsingContext.close", { context: this.#context });
  }
}
