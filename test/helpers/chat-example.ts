/** The chat example as a process, started the way a reader of the README starts it. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export class ChatExample {
  readonly #process: ChildProcessByStdio<null, Readable, Readable>;
  /** Everything it has printed, errors included. */
  output = "";

  constructor(...args: string[]) {
    this.#process = spawn(process.execPath, args[0]?.endsWith(".js") === true ? args : ["scripts/start.mjs", ...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  /** Another one, once the first has built it. */
  static built(...args: string[]): ChatExample {
    return new ChatExample("examples/chat/dist/main.js", ...args);
  }

  /** Waits for a line that `pattern` matches. Rejects after `timeoutMs` or when the process ends without it. */
  async printed(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.#process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`the chat example did not print ${pattern}; it printed:\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The exit code, once it has ended by itself. */
  async ended(): Promise<number | null> {
    if (this.#process.exitCode === null) await once(this.#process, "close");
    return this.#process.exitCode;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.ended();
  }
}
