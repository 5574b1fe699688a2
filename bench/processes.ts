/** Processes that a benchmark starts: they are asked by name, answer once, and end with whoever started them. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** Longest life of a process, whatever happens, in milliseconds. */
const LONGEST_LIFE_MS = 30 * 60_000;

/** How long an answer may take, in milliseconds, unless the question says otherwise. */
const ANSWER_MS = 30_000;

/** Whether processes that talk to each other can be given a core each. `taskset` is part of Debian's util-linux. */
export const pins = process.platform === "linux" && availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/**
 * Keeps a process on one core. Left alone, the system puts two processes that wait for each other now on one core and now on
 * two, where waking the other costs several times as much: a contestant's figure would say where it was put.
 */
export function pin(pid: number | undefined, core: number, ...options: readonly string[]): void {
  if (pins) spawnSync("taskset", [...options, "--cpu-list", "--pid", String(core), String(pid)]);
}

/** Ends this process when the one that started it is gone, and after half an hour at the latest. */
export function endWithParent(): void {
  process.on("disconnect", () => process.exit(0));
  setTimeout(() => process.exit(3), LONGEST_LIFE_MS).unref();
}

/** What a process can be asked. */
export type Answers = Readonly<Record<string, (question: never) => unknown>>;

/** Answers the questions of the process that started this one, and takes what it is told. */
export function answerParent(answers: Answers): void {
  process.on("message", async ({ id, name, question }: { id?: number; name: string; question: unknown }) => {
    if (id === undefined) return void answers[name]!(question as never);
    try {
      process.send?.({ id, answer: await answers[name]!(question as never) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.send?.({ id: 0 });
}

/** A process that answers. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }>();
  #nextId = 1;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    child.on("message", ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(answer);
      else waiting?.reject(new Error(`${name}: ${error}`));
    });
    child.on("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name}: the process ended (${signal ?? code})`));
      this.#waiting.clear();
    });
  }

  /** Starts `module`, on the core named if there is one, and waits until it answers questions. */
  static async start(
    name: string,
    module: URL,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly execArgv?: readonly string[]; readonly core?: number } = {},
  ): Promise<Worker> {
    const child = fork(module, args, {
      env: { ...process.env, ...options.env },
      execArgv: [...(options.execArgv ?? [])],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const worker = new Worker(name, child);
    await worker.#answer(0, ANSWER_MS);
    if (options.core !== undefined) pin(child.pid, options.core, "--all-tasks");
    return worker;
  }

  /** Puts a question. Rejects if the process fails, ends or takes too long. */
  ask<T>(name: string, question?: unknown, withinMs = ANSWER_MS): Promise<T> {
    const id = this.#nextId++;
    const answer = this.#answer(id, withinMs);
    this.#child.send({ id, name, question });
    return answer as Promise<T>;
  }

  /** Says something that has no answer. */
  tell(name: string, question?: unknown): void {
    this.#child.send({ name, question });
  }

  /** Ends the process. */
  stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.disconnect();
    });
  }

  #answer(id: number, withinMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name}: no answer within ${withinMs} ms`)), withinMs);
      const settle =
        <A>(done: (value: A) => void) =>
        (value: A) => {
          clearTimeout(timer);
          done(value);
        };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }
}
