/**
 * How often a test with random or enumerated cases repeats: all the times in verify's step `properties`, which sets FRAMEWIRE_RUNS=all, and a third
 * of them in the unit suite.
 */
export function runs(all: number): number {
  return EVERY_RUN ? all : Math.ceil(all / 3);
}

/** Whether this process repeats its tests all the times. */
export const EVERY_RUN: boolean = process.env.FRAMEWIRE_RUNS === "all";
