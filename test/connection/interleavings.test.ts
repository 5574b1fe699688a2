/** Aborts, timeouts and closes in every order: whatever happens, each call settles once and nothing is left behind. */

import { describe, expect, it } from "vitest";
import { createClient } from "../../src/client/browser.js";
import { FramewireError } from "../../src/errors.js";
import { createServer } from "../../src/server/index.js";
import { memoryPair, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { fc } from "../helpers/fast-check.js";
import { runs } from "../helpers/runs.js";

type Kind = "echo" | "count" | "sum" | "chat" | "sample";

interface Step {
  readonly kind: Kind;
  /** When the call starts. */
  readonly at: number;
  /** How long its handler takes; never = until its signal ends it. */
  readonly handlerMs: number | "never";
  readonly timeoutMs: number;
  readonly abortAt: number | undefined;
}

interface Plan {
  readonly steps: readonly Step[];
  /** Which end closes, and when; the client reads and writes until then. */
  readonly closeAt: number;
  readonly closer: "client" | "server";
}

const time = fc.integer({ min: 0, max: 40 });
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Kind>("echo", "count", "sum", "chat", "sample"),
  at: time,
  handlerMs: fc.oneof(time, fc.constant("never" as const)),
  timeoutMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  abortAt: fc.option(time, { nil: undefined }),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 10 }),
  closeAt: time,
  closer: fc.constantFrom("client", "server"),
});

/** A signal that counts its listeners. */
function countedSignal(): { abort: AbortController; listeners: () => number } {
  const abort = new AbortController();
  let count = 0;
  const { signal } = abort;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    count++;
    add(...args);
  }) as typeof add;
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    count--;
    remove(...args);
  }) as typeof remove;
  return { abort, listeners: () => count };
}

async function run({ steps, closeAt, closer }: Plan): Promise<void> {
  const clock = new VirtualClock();
  let running = 0;
  /** Waits as the plan says, or until the call is over. */
  const work = async (ms: number | "never", signal: AbortSignal): Promise<void> => {
    running++;
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve());
      if (signal.aborted) resolve();
      if (ms !== "never") clock.setTimer(ms, resolve);
    });
    running--;
    signal.throwIfAborted();
  };
  const handlerMs = (text: string): number | "never" => (text === "never" ? "never" : Number(text));
  const server = createServer({ clock });
  server.implement(TestServiceDefinition, {
    echo: async ({ text }, { signal }) => {
      await work(handlerMs(text), signal);
      return { text };
    },
    sample: async ({ text }, { signal }) => {
      await work(handlerMs(text), signal);
      return { text };
    },
    async *count({ count }, { signal }) {
      for (let number = 1; number <= 3; number++) {
        yield { number };
        await work(count < 0 ? "never" : count / 3, signal);
      }
    },
    sum: async (numbers) => {
      let sum = 0n;
      for await (const { number } of numbers) sum += number;
      return { sum };
    },
    async *chat(lines) {
      for await (const line of lines) yield line;
    },
  });
  const client = createClient("ws://memory", {
    clock,
    reconnect: false,
    connector: async () => {
      const [near, far] = memoryPair();
      server.accept(far);
      return near;
    },
  });
  const connected = client.connect();
  await clock.runUntilIdle();
  await connected;
  const service = client.service(TestServiceDefinition);

  const settled: number[] = steps.map(() => 0);
  const signals = steps.map(() => countedSignal());
  async function* lines(ms: number | "never"): AsyncGenerator<{ text: string; number: bigint }> {
    for (let i = 0; i < 3; i++) {
      yield { text: "line", number: 1n };
      await new Promise<void>((resolve) => ms !== "never" && clock.setTimer(ms / 3, resolve));
    }
  }
  const start = async ({ kind, handlerMs: ms, timeoutMs }: Step, index: number): Promise<void> => {
    const options = { signal: signals[index]!.abort.signal, timeoutMs };
    try {
      if (kind === "echo" || kind === "sample") await service[kind]({ text: String(ms) }, options);
      else if (kind === "sum") await service.sum(lines(ms), options);
      else if (kind === "count") for await (const _ of service.count({ count: ms === "never" ? -1 : ms }, options));
      else for await (const _ of service.chat(lines(ms), options));
    } catch (error) {
      if (!(error instanceof FramewireError)) throw error;
    }
    settled[index]!++;
  };

  const calls: Promise<void>[] = [];
  for (let now = 0; now <= 41; now++) {
    steps.forEach((each, index) => {
      if (each.at === now) calls.push(start(each, index));
      if (each.abortAt === now) signals[index]!.abort.abort();
    });
    if (now === closeAt) void (closer === "client" ? client.close() : server.close());
    await clock.advance(1);
  }
  void client.close();
  void server.close();
  await clock.advance(1);
  await Promise.all(calls);
  await clock.runUntilIdle();
  expect(settled).toEqual(steps.map(() => 1));
  expect(signals.map(({ listeners }) => listeners())).toEqual(steps.map(() => 0));
  expect(running).toBe(0);
  // What is left are the timers of this test's own handlers and sources.
  await clock.advance(50);
  expect(clock.pendingTimers).toBe(0);
  expect(server.connections).toEqual([]);
}

describe("calls in every order of abort, timeout and close", () => {
  it("settle exactly once and leave no entry, timer or listener", async () => {
    const numRuns = Number(process.env.FRAMEWIRE_INTERLEAVINGS ?? runs(150));
    await fc.assert(fc.asyncProperty(plan, run), { numRuns });
  }, 600_000);
});
