import { describe, expect, it } from "vitest";
import { loadCorpus } from "./corpus.js";
import { Coverage } from "./coverage.js";
import { SEED_TARGETS, TARGETS } from "./target.js";

/** Enough for hostile clients and hostile servers. */
const SEEDS = 20;

describe.each(TARGETS.map((target) => [target.name, target] as const))("fuzz target %s", (name, target) => {
  it("passes every input of its corpus", () => {
    const corpus = loadCorpus(name);
    expect(corpus.length).toBeGreaterThan(50);
    for (const input of corpus) expect(() => target.run(input), Buffer.from(input).toString("hex")).not.toThrow();
  });

  it("starts from inputs that reach different things", () => {
    const seeds = target.seeds();
    const features = new Set(seeds.flatMap((seed) => [...target.run(seed)]));
    expect(features.size).toBeGreaterThan(seeds.length);
  });
});

describe.each(SEED_TARGETS.map((target) => [target.name, target] as const))("fuzz target %s", (_name, target) => {
  it("passes its first seeds", async () => {
    for (let seed = 1; seed <= SEEDS; seed++)
      await expect(
        target.run(seed, () => {}),
        `seed ${seed}`,
      ).resolves.toBeGreaterThanOrEqual(0);
  });

  it("makes the same run of the same seed", async () => {
    const steps: string[][] = [[], []];
    for (const each of steps) await target.run(SEEDS, (step) => each.push(step));
    expect(steps[1]).toEqual(steps[0]);
  });
});

describe("coverage", () => {
  it("tells code that runs for the first time from code that ran before", async () => {
    const coverage = new Coverage();
    const source = "export const sign = (x) => { if (x < 0) { return 'negative'; } return 'positive'; }; // coverage-sample";
    const { sign } = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`)) as { sign(x: number): string };
    coverage.covers = ["coverage-sample"];
    sign(1);
    expect(coverage.take(true)).toBeGreaterThan(0);
    sign(2);
    expect(coverage.take(true)).toBe(0);
    sign(-1);
    expect(coverage.take(false)).toBeGreaterThan(0);
    sign(-1);
    expect(coverage.take(true)).toBeGreaterThan(0);
    sign(-1);
    expect(coverage.take(true)).toBe(0);
    expect(coverage.covered).toBeGreaterThan(0);
  });
});
