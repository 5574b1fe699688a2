/** Programs that a test starts, and that are gone when it is over, however it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";

/** How long a program may take to be ready, and to end by itself, in milliseconds. */
const READY_MS = 30_000;
const END_MS = 3_000;

const running = new Set<Program>();
process.on("exit", () => {
  for (const program of running) program.kill();
});

/** Sends the program a signal of its own when the process that started it is gone, even one that was killed. */
const SETPRIV = "/usr/bin/setpriv";

export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  /** What it has printed so far. */
  #output = "";

  private constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#name = command;
    const guard = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL", "--"] : [];
    const [first, ...rest] = [...guard, command, ...args] as [string, ...string[]];
    // A process group of its own: what it starts ends with it.
    this.#child = spawn(first, rest, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    running.add(this);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    this.#child.on("error", (error) => {
      this.#output += error.message;
    });
    this.#child.once("close", () => running.delete(this));
  }

  /** Starts it and waits until what it prints matches `ready`; gives the match. */
  static async start(
    command: string,
    args: readonly string[],
    ready: RegExp,
    env: Readonly<Record<string, string>> = {},
  ): Promise<[Program, RegExpExecArray]> {
    const program = new Program(command, args, env);
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const match = ready.exec(program.#output);
      if (match !== null) return [program, match];
      if (program.#ended || performance.now() > deadline) {
        await program.end();
        throw new Error(`${command} did not start; it printed:\n${program.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  get #ended(): boolean {
    const { exitCode, signalCode, pid } = this.#child;
    return exitCode !== null || signalCode !== null || pid === undefined;
  }

  /** Ends it with all that it started: by a word first, by force if it does not listen. Resolves when it is gone. */
  async end(): Promise<void> {
    if (!this.#ended) {
      const closed = once(this.#child, "close");
      this.#signal("SIGTERM");
      const timer = setTimeout(() => this.kill(), END_MS);
      await closed;
      clearTimeout(timer);
    }
    this.kill();
  }

  /** Ends it with all that it started, now. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw new Error(`could not end ${this.#name}`, { cause: error });
    }
  }
}
