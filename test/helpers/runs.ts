/**
 * How often a test with random or enumerated cases repeats: all the times in verify's step `properties`, which sets FRAMEWIRE_RUNS=all, and a third
 * of them in the unit suite.
 */
export function runs(all: number): number {
  return EVERY_RUN ? all : Math.ceil(all / 3);
}

const EVERY_RUN = process.env.FRAMEWIRE_RUNS === "all";

/** Of cases that are enumerated, such as the bits of a frame, every one is tried or, in the unit suite, one of three. */
export const STRIDE: number = EVERY_RUN ? 1 : 3;
