import { describe, expect, it } from "vitest";
import { type Ending, Lifecycle, type StateDetail } from "../../src/client/lifecycle.js";
import { CLIENT_TRANSITIONS, type LifecycleState } from "../../src/client/reconnect.js";
import { FramewireError } from "../../src/errors.js";
import { resolveReconnectOptions } from "../../src/options.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { fc } from "../helpers/fast-check.js";

const ATTEMPT_MS = 8000;
const BROKEN: Ending = { error: new FramewireError("connect-failed", "it broke"), final: false };
const REFUSED: Ending = { ...BROKEN, final: true };

/** A lifecycle whose attempts a test ends by hand. */
class Bed {
  readonly clock = new VirtualClock();
  readonly attempts: AbortSignal[] = [];
  readonly moves: [LifecycleState, StateDetail][] = [];
  readonly results: { outcome: string }[] = [];
  probes = 0;
  onMove: ((state: LifecycleState) => void) | undefined;
  readonly lifecycle: Lifecycle;

  constructor(retries = 5) {
    this.lifecycle = new Lifecycle(
      { reconnect: resolveReconnectOptions({ retries }), attemptMs: ATTEMPT_MS, clock: this.clock, random: () => 0.5 },
      {
        begin: (signal) => this.attempts.push(signal),
        probe: () => this.probes++,
        moved: (state, detail) => {
          this.moves.push([state, detail]);
          this.onMove?.(state);
        },
      },
    );
  }

  /** Calls `connect` and keeps what becomes of it. */
  connect(): { outcome: string } {
    const result = { outcome: "pending" };
    this.results.push(result);
    this.lifecycle.connect().then(
      () => (result.outcome = "connected"),
      (error: FramewireError) => (result.outcome = error.code),
    );
    return result;
  }

  get live(): number {
    return this.attempts.filter((signal) => !signal.aborted).length;
  }
}

describe("connect", () => {
  it("resolves when the attempt succeeds, through as many retries as it takes", async () => {
    const bed = new Bed();
    const result = bed.connect();
    for (let i = 0; i < 3; i++) {
      bed.lifecycle.ended(BROKEN);
      await bed.clock.advance(5000);
    }
    expect(result.outcome).toBe("pending");
    bed.lifecycle.opened(false);
    await bed.clock.runUntilIdle();
    expect(result.outcome).toBe("connected");
  });

  it("rejects with what ended it when the retries are used up, and can be called again", async () => {
    const bed = new Bed(1);
    const result = bed.connect();
    bed.lifecycle.ended(BROKEN);
    await bed.clock.advance(2000);
    bed.lifecycle.ended(BROKEN);
    await bed.clock.runUntilIdle();
    expect(result.outcome).toBe("connect-failed");
    expect(bed.moves.at(-1)).toMatchObject(["given-up", { reason: "it broke; gave up after 1 retries" }]);
    bed.connect();
    bed.lifecycle.ended(BROKEN);
    expect(bed.lifecycle.state).toBe("retry-pending");
  });

  it("ends a wait, at no cost, and starts no second attempt while one is under way", async () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.ended(BROKEN);
    bed.connect();
    bed.connect();
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["connecting", 2]);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)?.[1]).toMatchObject({ delayMs: 1500, retries: 1 });
  });

  it("gives no retry back while an attempt is under way", async () => {
    const bed = new Bed(1);
    bed.connect();
    bed.lifecycle.ended(BROKEN);
    await bed.clock.advance(1500);
    bed.connect();
    bed.lifecycle.ended(BROKEN);
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["given-up", 2]);
  });
});

describe("an attempt", () => {
  it("is given up after its deadline, which covers all of it", async () => {
    const bed = new Bed();
    bed.connect();
    await bed.clock.advance(ATTEMPT_MS - 1);
    expect(bed.lifecycle.state).toBe("connecting");
    await bed.clock.advance(1);
    expect(bed.moves.at(-1)).toMatchObject(["retry-pending", { error: { code: "handshake-timeout" } }]);
    expect(bed.attempts[0]?.aborted).toBe(true);
  });

  it("is never followed by another after a final ending", async () => {
    const bed = new Bed(Number.POSITIVE_INFINITY);
    bed.connect();
    bed.lifecycle.ended(REFUSED);
    await bed.clock.advance(3_600_000);
    expect([bed.lifecycle.state, bed.attempts.length, bed.clock.pendingTimers]).toEqual(["disconnected", 1, 0]);
  });
});

describe("a client whose retries are used up", () => {
  async function givenUp(): Promise<Bed> {
    const bed = new Bed(2);
    bed.connect();
    for (let i = 0; i < 3; i++) {
      bed.lifecycle.ended(BROKEN);
      await bed.clock.advance(5000);
    }
    expect([bed.lifecycle.state, bed.attempts.length, bed.clock.pendingTimers]).toEqual(["given-up", 3, 0]);
    return bed;
  }

  it.each<readonly [string, (bed: Bed) => unknown]>([
    ["a sign of the platform", ({ lifecycle }) => lifecycle.wake("online")],
    ["connect", (bed) => bed.connect()],
  ])("tries again upon %s, with all its retries", async (_name, act) => {
    const bed = await givenUp();
    act(bed);
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["connecting", 4]);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)).toMatchObject(["retry-pending", { delayMs: 1500, retries: 1 }]);
  });

  it("is woken by nothing once it is closed", async () => {
    const bed = await givenUp();
    bed.lifecycle.close(new FramewireError("connection-closed", "closed"));
    bed.lifecycle.wake("online");
    expect([bed.lifecycle.state, bed.attempts.length, bed.connect()]).toMatchObject(["disconnected", 3, {}]);
    await bed.clock.runUntilIdle();
    expect([bed.attempts.length, bed.results.at(-1)?.outcome]).toEqual([3, "connection-closed"]);
  });
});

describe("nothing wakes", () => {
  it.each<readonly [string, Bed, Ending]>([
    ["a client after a final ending", new Bed(), REFUSED],
    ["a client that never retries", new Bed(0), BROKEN],
  ])("%s, but connect connects anew", (_name, bed, ending) => {
    bed.connect();
    bed.lifecycle.ended(ending);
    bed.lifecycle.wake("online");
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["disconnected", 1]);
    bed.connect();
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["connecting", 2]);
  });

  it("a client that was never told to connect", () => {
    const bed = new Bed();
    bed.lifecycle.wake("online");
    expect([bed.lifecycle.state, bed.attempts.length]).toEqual(["disconnected", 0]);
  });
});

describe("a state's event", () => {
  it("carries the reason, the delay until the next attempt and its number", () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(true);
    bed.lifecycle.ended({ ...BROKEN, closeCode: 1006 });
    expect(bed.moves).toEqual([
      ["connecting", { reason: "connect" }],
      ["connected", { reason: "connected", resumed: true }],
      ["retry-pending", { reason: "it broke", error: BROKEN.error, closeCode: 1006, delayMs: 1500, retries: 1 }],
    ]);
  });

  it("may be answered with close: nothing of the state that is over starts any more", async () => {
    for (const when of ["connecting", "connected", "retry-pending"] as const) {
      const bed = new Bed();
      bed.onMove = (state) => state === when && bed.lifecycle.close(new FramewireError("connection-closed", "closed"));
      const result = bed.connect();
      if (when !== "connecting") bed.lifecycle.opened(false);
      if (when === "retry-pending") bed.lifecycle.ended(BROKEN);
      await bed.clock.advance(600_000);
      expect(bed.lifecycle.state).toBe("disconnected");
      expect([bed.live - (when === "connecting" ? 0 : 1), bed.clock.pendingTimers]).toEqual([0, 0]);
      expect(result.outcome).toBe(when === "retry-pending" ? "connected" : "connection-closed");
    }
  });

  it("may be answered with connect", async () => {
    const bed = new Bed();
    bed.onMove = (state) => state === "retry-pending" && bed.attempts.length < 3 && bed.connect();
    bed.connect();
    bed.lifecycle.ended(BROKEN);
    bed.lifecycle.ended(BROKEN);
    expect([bed.lifecycle.state, bed.attempts.length, bed.clock.pendingTimers]).toEqual(["connecting", 3, 1]);
  });
});

describe("after a goaway", () => {
  it("the end of the connection is followed by a wait out of the server's spread, which is no retry", () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.goaway(30_000);
    expect(bed.lifecycle.state).toBe("connected");
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)).toMatchObject(["retry-pending", { delayMs: 15_000, retries: 0 }]);
  });

  it("the spread holds for that connection only", async () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.goaway(30_000);
    bed.lifecycle.ended(BROKEN);
    await bed.clock.advance(15_000);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)?.[1].delayMs).toBe(1500);
  });

  it("a final ending is final all the same", () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.goaway(30_000);
    bed.lifecycle.ended(REFUSED);
    expect(bed.lifecycle.state).toBe("disconnected");
  });
});

describe("after a sign of the platform", () => {
  it("a connection that turns out to be dead is replaced at once, and not again and again", async () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.wake("pageshow");
    expect(bed.probes).toBe(1);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.slice(-2)).toMatchObject([
      ["retry-pending", {}],
      ["connecting", { reason: "the connection was dead" }],
    ]);
    bed.lifecycle.opened(false);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)).toMatchObject(["retry-pending", { delayMs: 1500, retries: 1 }]);
  });

  it("an end long after it is one like any other", async () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.wake("pageshow");
    await bed.clock.advance(30_000);
    bed.lifecycle.ended(BROKEN);
    expect(bed.lifecycle.state).toBe("retry-pending");
  });

  it("the spread of a server that goes away still holds", () => {
    const bed = new Bed();
    bed.connect();
    bed.lifecycle.opened(false);
    bed.lifecycle.wake("online");
    bed.lifecycle.goaway(30_000);
    bed.lifecycle.ended(BROKEN);
    expect(bed.moves.at(-1)).toMatchObject(["retry-pending", { delayMs: 15_000 }]);
  });
});

/** What the lifecycle should be doing, in the plainest words. */
interface Model {
  state: LifecycleState;
  retries: number;
  counted: boolean;
  forgiven: boolean;
  spread: number;
  /** When the state's timer runs out. */
  due: number | undefined;
  now: number;
  closed: boolean;
  attempts: number;
  probes: number;
  /** Until when an end of the connection is followed by an attempt at once. */
  wakeUntil: number;
}

type Command = fc.AsyncCommand<Model, Bed>;

const RETRIES = 3;

function dial(model: Model): void {
  model.state = "connecting";
  model.attempts++;
  model.due = model.now + ATTEMPT_MS;
}

function stop(model: Model, state: LifecycleState = "disconnected"): void {
  model.state = state;
  model.due = undefined;
}

function wait(model: Model, delay: number, counted: boolean): void {
  if (counted && model.retries >= RETRIES) return stop(model, "given-up");
  if (counted) model.retries++;
  model.counted = counted;
  model.state = "retry-pending";
  model.due = model.now + delay;
}

function end(model: Model, final: boolean): void {
  const { spread, state } = model;
  model.spread = 0;
  if (state !== "connecting" && state !== "connected") return;
  if (final) return stop(model);
  const awake = state === "connected" && model.now < model.wakeUntil;
  model.wakeUntil = 0;
  if (spread === 0) {
    wait(model, 1000 * 2 ** model.retries + 500, true);
    if (awake) wake(model);
    return;
  }
  wait(model, spread / 2, model.forgiven);
  model.forgiven = true;
}

function reset(model: Model): void {
  model.retries = 0;
  model.counted = false;
  model.forgiven = false;
}

function refund(model: Model): void {
  if (model.counted) model.retries--;
  model.counted = false;
}

function wake(model: Model): void {
  if (model.state === "connected") {
    model.probes++;
    model.wakeUntil = model.now + 30_000;
  }
  again(model, ["retry-pending", "given-up"]);
}

/** An attempt at once, in one of these states. */
function again(model: Model, states: readonly LifecycleState[]): void {
  if (!states.includes(model.state)) return;
  if (model.state === "retry-pending") refund(model);
  else reset(model);
  dial(model);
}

function turnTo(model: Model, time: number): void {
  while (model.due !== undefined && model.due <= time) {
    model.now = model.due;
    model.due = undefined;
    if (model.state === "connecting") end(model, false);
    else if (model.state === "retry-pending") dial(model);
    else reset(model);
  }
  model.now = time;
}

/** A step of both, and afterwards the two compared. */
function step(name: string, onModel: (model: Model) => void, onBed: (bed: Bed) => unknown): Command {
  return {
    check: () => true,
    toString: () => name,
    run: async (model, bed) => {
      const before = bed.moves.length;
      onModel(model);
      await onBed(bed);
      await bed.clock.runUntilIdle();
      expect(bed.lifecycle.state).toBe(model.state);
      expect(bed.attempts.length).toBe(model.attempts);
      expect(bed.probes).toBe(model.probes);
      // The signal of the attempt that became the connection is never aborted; at most one attempt is live beside.
      const underWay = bed.attempts.filter((signal, i) => !signal.aborted && i === bed.attempts.length - 1).length;
      if (model.state === "connecting") expect(underWay).toBe(1);
      expect(bed.clock.pendingTimers).toBe(model.due === undefined ? 0 : 1);
      // Who has called connect is left waiting while there is still something to wait for, and no longer.
      const waiting = bed.results.filter(({ outcome }) => outcome === "pending").length;
      if (["connected", "disconnected", "given-up"].includes(model.state)) expect(waiting).toBe(0);
      let from: LifecycleState = before === 0 ? "disconnected" : bed.moves[before - 1]![0];
      for (const [to] of bed.moves.slice(before)) {
        expect(Object.values(CLIENT_TRANSITIONS[from])).toContain(to);
        from = to;
      }
    },
  };
}

const COMMANDS: fc.Arbitrary<Command>[] = [
  fc.constant(
    step(
      "connect",
      (model) => {
        if (!model.closed) again(model, ["disconnected", "retry-pending", "given-up"]);
      },
      (bed) => bed.connect(),
    ),
  ),
  fc.boolean().map((resumed) =>
    step(
      `opened(${resumed})`,
      (model) => {
        if (model.state !== "connecting") return;
        model.state = "connected";
        model.spread = 0;
        model.due = model.now + 60_000;
      },
      (bed) => bed.lifecycle.opened(resumed),
    ),
  ),
  fc.boolean().map((final) =>
    step(
      `ended(${final ? "final" : "retry"})`,
      (model) => end(model, final),
      (bed) => bed.lifecycle.ended(final ? REFUSED : BROKEN),
    ),
  ),
  fc.integer({ min: 0, max: 5 }).map((seconds) =>
    step(
      `goaway(${seconds} s)`,
      (model) => (model.spread = seconds * 1000),
      (bed) => bed.lifecycle.goaway(seconds * 1000),
    ),
  ),
  fc.constant(
    step(
      "wake",
      (model) => wake(model),
      (bed) => bed.lifecycle.wake("awake"),
    ),
  ),
  fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.constant(ATTEMPT_MS), fc.constant(70_000)).map((ms) =>
    step(
      `advance(${ms})`,
      (model) => turnTo(model, model.now + ms),
      (bed) => bed.clock.advance(ms),
    ),
  ),
  fc.constant(
    step(
      "close",
      (model) => {
        model.closed = true;
        stop(model);
      },
      (bed) => bed.lifecycle.close(new FramewireError("connection-closed", "closed")),
    ),
  ),
];

describe("against the model", () => {
  it("every order of events leads to the state, the attempts and the timers of the table", async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 40 }), async (commands) => {
        const model: Model = {
          state: "disconnected",
          retries: 0,
          counted: false,
          forgiven: false,
          spread: 0,
          due: undefined,
          now: 0,
          closed: false,
          attempts: 0,
          probes: 0,
          wakeUntil: 0,
        };
        await fc.asyncModelRun(() => ({ model, real: new Bed(RETRIES) }), commands);
      }),
      { numRuns: 300 },
    );
  });
});
