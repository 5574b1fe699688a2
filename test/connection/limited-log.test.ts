/** What becomes of a line of the log: how many are written, and how the default writes them. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { reportSecondCopy } from "../../src/protobuf/second-copy.js";
import { limitedLog } from "../../src/runtime/limited-log.js";
import { logTo } from "../../src/runtime/logger.js";
import { createServer } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { turns } from "../helpers/turns.js";

describe("lines of one kind", () => {
  it("are ten in any second, the one that counts the others included", async () => {
    const clock = new VirtualClock();
    const log = recordedLog();
    const times: number[] = [];
    const write = limitedLog(log, clock);
    const seen = () => {
      while (times.length < log.lines.length) times.push(clock.now());
    };
    for (let ms = 0; ms < 5_000; ms++) {
      write("debug", { method: "a.B/C" }, "a handler failed");
      seen();
      await clock.advance(1);
      seen();
    }
    await clock.advance(2_000);
    seen();
    for (const [at, time] of times.entries()) if (at >= 10) expect(time - (times[at - 10] as number)).toBeGreaterThanOrEqual(1_000);
    const more = log.lines.map(({ facts }) => Number(facts.more ?? 0)).reduce((sum, each) => sum + each, 0);
    const single = log.lines.filter(({ facts }) => facts.more === undefined);
    expect(more + single.length).toBe(5_000);
    expect(log.texts().find((text) => text.startsWith("…"))).toMatch(/^… and \d+ more of these: a handler failed$/);
  });

  it("hide no line of another kind, method or code", async () => {
    const clock = new VirtualClock();
    const log = recordedLog();
    const write = limitedLog(log, clock);
    for (let i = 0; i < 50; i++) write("error", { method: "a.B/C" }, "a handler failed");
    write("error", { method: "a.B/D" }, "a handler failed");
    write("warn", { code: "slow-consumer" }, "a limit was reached");
    expect(log.lines).toHaveLength(12);
    await clock.advance(1_000);
    expect(log.lines.at(-1)).toEqual({
      level: "error",
      facts: { method: "a.B/C", more: 40 },
      message: "… and 40 more of these: a handler failed",
    });
  });
});

describe("the default on Node", () => {
  const printed: string[] = [];
  beforeEach(() => {
    vi.spyOn(console, "error").mockImplementation((...line) => void printed.push(...line));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    printed.length = 0;
  });

  it("writes warnings and errors, a line each, with the place and the causes of what was thrown", () => {
    const write = limitedLog(undefined, new VirtualClock());
    write("debug", {}, "a socket was accepted");
    write("info", {}, "nothing either");
    write("warn", { connection: "7", code: "rate-exceeded", reason: "too many\nframes\u001b[31m" }, "a limit was reached");
    const error = new FramewireError("internal", "no", { cause: new TypeError("deep\u202e") });
    write("error", { method: "a.B/C", code: "internal", err: error }, "a handler failed");
    expect(printed[0]).toBe(
      'framewire warning: a limit was reached; connection=7 code=rate-exceeded reason="too many\\nframes\\u001b[31m"',
    );
    expect(printed[1]).toMatch(
      /^framewire error: a handler failed; method=a\.B\/C code=internal err="FramewireError: no" at=\S*limited-log\.test\.ts:\S+ cause="TypeError: deep\\u202e"$/,
    );
    expect(printed).toHaveLength(2);
  });

  it.each([
    ["a text", "boom", "err=boom"],
    ["nothing", undefined, ""],
    ["an object without a text", Object.create(null), 'err="something that cannot be printed"'],
    [
      "a trap",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("trap");
          },
        },
      ),
      'err="something that cannot be printed"',
    ],
    ["a long text", "x".repeat(100_000), `err="${"x".repeat(1_000)}…"`],
  ])("prints %s that was thrown", (_name, err, part) => {
    limitedLog(undefined, new VirtualClock())("error", { code: "internal", err }, "a handler failed");
    expect(printed).toEqual([`framewire error: a handler failed; code=internal${part === "" ? "" : ` ${part}`}`]);
  });
});

it("texts that an application's logger gets are printable and short; what was thrown is handed over as it is", () => {
  const log = recordedLog();
  const error = new Error("raw\u001b");
  limitedLog(log, new VirtualClock())("warn", { reason: `\u001b[2J${"x".repeat(5_000)}`, err: error, count: 3 }, "a limit was reached");
  const { facts } = log.lines[0]!;
  expect(facts).toEqual({ reason: expect.stringMatching(/^\\u001b\[2Jx{900,1000}…$/), err: error, count: 3 });
  expect(facts.err).toBe(error);
});

it("browsers have warnings and errors on the console, with their facts as an object", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
  const write = logTo(undefined);
  write("warn", { code: "x" }, "a limit was reached");
  write("debug", {}, "the client's state");
  expect([warn.mock.calls, debug.mock.calls]).toEqual([[["framewire: a limit was reached", { code: "x" }]], []]);
  vi.restoreAllMocks();
});

it("a logger that throws or rejects harms nothing, and one that lacks its methods is refused", async () => {
  const escaped: unknown[] = [];
  const note = (error: unknown) => escaped.push(error);
  process.on("unhandledRejection", note);
  const fails = () => Promise.reject(new Error("later")) as never;
  const throws = () => {
    throw new Error("now");
  };
  const write = limitedLog({ debug: fails, info: fails, warn: throws, error: throws }, new VirtualClock());
  for (const level of ["debug", "info", "warn", "error"] as const) write(level, {}, "a line");
  await turns();
  process.off("unhandledRejection", note);
  expect(escaped).toEqual([]);
  for (const wrong of [true, {}, "console", null]) {
    expect(() => limitedLog(wrong as never, new VirtualClock())).toThrow(expect.objectContaining({ code: "invalid-option" }));
  }
});

it("a second copy of the protobuf runtime is reported once, to the logger of the server or client that was made last", () => {
  const log = recordedLog();
  createServer({ logger: false });
  createClient("ws://127.0.0.1:1", { logger: log });
  reportSecondCopy();
  reportSecondCopy();
  expect(log.lines).toEqual([
    {
      level: "warn",
      facts: { hint: expect.stringContaining("npm dedupe") },
      message: expect.stringContaining("another copy of @bufbuild/protobuf"),
    },
  ]);
});
