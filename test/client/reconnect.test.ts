import { describe, expect, it } from "vitest";
import { Backoff } from "../../src/client/reconnect.js";
import { type ReconnectOptions, resolveReconnectOptions } from "../../src/options.js";
import { SeededRandom } from "../../src/testing/random.js";

function backoff(options: ReconnectOptions = {}, random: () => number = () => 0): Backoff {
  return new Backoff(resolveReconnectOptions(options), random);
}

/** The delays after `count` failures in a row. */
function delays(count: number, options: ReconnectOptions, random?: () => number): (number | undefined)[] {
  const subject = backoff(options, random);
  return Array.from({ length: count }, () => subject.afterFailure());
}

describe("the delay after a failure", () => {
  it("is 1 s, doubles, and ends after five retries", () => {
    expect(delays(6, { retries: 5 })).toEqual([1000, 2000, 4000, 8000, 16000, undefined]);
  });

  it("has up to 1 s added, so that no two clients keep step (coder/coder#24096)", () => {
    expect(delays(3, {}, () => 0.999)).toEqual([1999, 2999, 4999]);
  });

  it("is never above the longest delay, and even there not the same for all", () => {
    const options = { retries: 10 };
    expect(delays(10, options, () => 1).slice(6)).toEqual([60_000, 60_000, 60_000, 60_000]);
    expect(delays(10, options, () => 0).slice(6)).toEqual([59_000, 59_000, 59_000, 59_000]);
    expect(delays(2, { maxMs: 300, retries: 10 }, () => 0.5)).toEqual([150, 150]);
  });

  it("is with full jitter spread evenly from 0 to what it would be", () => {
    expect(delays(8, { jitter: "full", retries: 8 }, () => 0.5)).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30_000, 30_000]);
    const random = new SeededRandom(7);
    const chosen = Array.from({ length: 4000 }, () => delays(3, { jitter: "full" }, () => random.next())[2] as number);
    const quarters = [0, 0, 0, 0];
    for (const delay of chosen) quarters[Math.floor(delay / 1000)]!++;
    for (const count of quarters) expect(count).toBeGreaterThan(900);
  });

  it("goes on without end if there is no end of retries", () => {
    const endless = delays(5000, { retries: Number.POSITIVE_INFINITY });
    expect(new Set(endless.slice(6))).toEqual(new Set([59_000]));
  });

  it("is there from the start again after a connection that lasted", () => {
    const subject = backoff();
    for (let i = 0; i < 5; i++) subject.afterFailure();
    subject.reset();
    expect(subject.afterFailure()).toBe(1000);
  });

  it("stays what it is when the wait was cut short: such an attempt is no retry", () => {
    const subject = backoff();
    for (let i = 0; i < 50; i++) {
      expect(subject.afterFailure()).toBe(1000);
      subject.cutShort();
      subject.cutShort();
    }
    expect(subject.retries).toBe(0);
  });
});

describe("the delay after a goaway", () => {
  it("is at most maxSpreadMs, by default 300 s, whatever the server says", () => {
    expect(backoff({}, () => 1).afterGoaway(2 ** 32 - 1)).toBe(300_000);
    expect(backoff({}, () => 0.5).afterGoaway(200_000)).toBe(100_000);
    expect(backoff({ maxSpreadMs: 10_000 }, () => 0.5).afterGoaway(20_000)).toBe(5000);
    expect(backoff({ maxSpreadMs: 0 }, () => 0.5).afterGoaway(20_000)).toBe(0);
  });

  it("is chosen evenly from the server's spread and uses up no retry", () => {
    const subject = backoff({}, () => 0.25);
    expect(subject.afterGoaway(20_000)).toBe(5000);
    expect(subject.retries).toBe(0);
    expect(subject.afterFailure()).toBe(1250);
  });

  it("counts from the second on, until a connection has lasted", () => {
    const subject = backoff({ retries: 2 }, () => 0.5);
    expect([1, 2, 3, 4].map(() => subject.afterGoaway(1000))).toEqual([500, 500, 500, undefined]);
    subject.reset();
    expect(subject.afterGoaway(1000)).toBe(500);
    expect(subject.retries).toBe(0);
  });

  it("is none for a client that does not reconnect", () => {
    expect(backoff({ retries: 0 }).afterGoaway(1000)).toBeUndefined();
  });

  it("gives no retry back that it did not take when it is cut short", () => {
    const subject = backoff();
    subject.afterFailure();
    subject.afterGoaway(1000);
    subject.cutShort();
    expect(subject.retries).toBe(1);
  });
});
