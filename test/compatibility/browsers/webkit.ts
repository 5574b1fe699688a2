/** Debian's WebKitGTK: its MiniBrowser on a virtual screen, driven over WebDriver. https://www.w3.org/TR/webdriver2/ */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { type Browser, type Tab, until, unwrapped, wrapped } from "./browser.js";
import { Program } from "./program.js";

/** Where Debian's packages put it; `MINIBROWSER` names another. */
const EXECUTABLE =
  process.env.MINIBROWSER ?? `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/webkit2gtk-4.1/MiniBrowser`;

type Send = <T>(method: "GET" | "POST" | "DELETE", path: string, body?: object) => Promise<T>;

export async function startWebKit(): Promise<Browser> {
  // It takes the first display number that is free, says which one, and ends with its last client.
  const screen = ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-terminate"];
  const [xvfb, [display]] = await Program.start("Xvfb", screen, /^\d+(?=\n)/);
  let driver: Program | undefined;
  try {
    const port = await freePort();
    // It prints nothing when it is ready: it is asked below.
    [driver] = await Program.start("WebKitWebDriver", [`--port=${port}`], /^/, { DISPLAY: `:${display}` });
    const root = `http://127.0.0.1:${port}`;
    await until("WebKitWebDriver answers", async () => (await fetch(`${root}/status`)).ok);
    const options = { binary: EXECUTABLE, args: ["--automation"] };
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": options } };
    const { sessionId, capabilities: own } = await sender(root)<{ sessionId: string; capabilities: { browserVersion: string } }>(
      "POST",
      "/session",
      { capabilities },
    );
    const session = `${root}/session/${sessionId}`;
    const send = sender(session);
    await send("POST", "/timeouts", { script: 60_000 });
    return {
      version: own.browserVersion,
      openTab: async () => new WebKitTab(send),
      close: async () => {
        await fetch(session, { method: "DELETE", signal: AbortSignal.timeout(5_000) }).catch(() => {});
        await driver?.end();
        await xvfb.end();
      },
    };
  } catch (error) {
    await driver?.end();
    await xvfb.end();
    throw error;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function sender(root: string): Send {
  return async <T>(method: string, path: string, body?: object) => {
    const response = await fetch(root + path, { method, ...(body && { body: JSON.stringify(body) }) });
    const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
    if (!response.ok) throw new Error(`${path}: ${value?.error}: ${value?.message}`);
    return value;
  };
}

/** The window that the session has. */
class WebKitTab implements Tab {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  async navigate(url: string): Promise<void> {
    await this.#send("POST", "/url", { url });
  }

  async reload(): Promise<void> {
    await this.#send("POST", "/refresh", {});
  }

  async back(): Promise<void> {
    await this.#send("POST", "/back", {});
  }

  async evaluate(expression: string): Promise<unknown> {
    const script = `const done = arguments[0]; (${wrapped(expression)}).then(done);`;
    return unwrapped(await this.#send("POST", "/execute/async", { script, args: [] }));
  }

  async hide(): Promise<void> {
    await this.#send("POST", "/window/minimize", {});
  }

  async show(): Promise<void> {
    await this.#send("POST", "/window/maximize", {});
  }

  async close(): Promise<void> {
    // The window goes with the browser.
  }
}
