import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { asOnPages, chunksAt, chunksOf, outcomeOfRun, runDecoder } from "../helpers/decoder-run.js";
import { oracle } from "../helpers/oracle.js";
import { outcomeOf } from "../helpers/outcome.js";
import { cat } from "../helpers/wire-builder.js";
import { vectorFiles } from "../vectors/generate.js";
import { loadVectors, vectorOutcome } from "../vectors/load.js";
import { expectEqual } from "./expect-equal.js";
import { pageVectors } from "./wire-page.js";

const V1 = "08 F5 F9 F7 F6 07 10 01 20 01 2A 01 FF";
const V2 = "08 F5 F9 F7 F6 07 10 00 18 02 20 8F 01 7D 1F 0B 78 08";
/** What may come behind a stream: bytes that could belong to its end, garbage, whole frames. */
const BEHIND = ["00", "08", "2A", "2A 00", "7D", "08 F5 F9 F7 F6 07", V1, V2, `${V2} ${V1} 08 F5`];

describe("the vector files", () => {
  it.each([...vectorFiles()])("%s is what `npm run vectors` writes", (name, text) => {
    expect(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8")).toBe(text);
  });
});

const files = [...loadVectors().entries(), ["docs/wire.md", { description: "the wire page's examples", cases: pageVectors() }] as const];

describe.each(files)("%s", (_, { cases }) => {
  it("names each case once", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it.each(cases.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
    const bytes = cat(...vector.stream);
    const expected = vectorOutcome(vector);
    expect(outcomeOf(oracle(bytes, vector.options)), "oracle").toEqual(expected);

    const whole = runDecoder([bytes], vector.options);
    expect(outcomeOfRun(whole), "whole").toEqual(expected);
    if (vector.error === undefined) expect(whole.beforeFlush, "before the flush").toBe(vector.beforeFlush ?? vector.frames.length);
    expect(whole.order, "in the stream's order").toEqual([...whole.order].sort((a, b) => a - b));

    expect(outcomeOfRun(asOnPages(() => runDecoder([bytes], vector.options))), "whole, on a page").toEqual(expected);
    const byByte = runDecoder(chunksOf(bytes, 1), vector.options);
    expect(outcomeOfRun(byByte), "byte by byte").toEqual(expected);
    const settled = vector.discards.map(({ settledAt }) => settledAt);
    expect(byByte.reportedAt, "damage is reported at the byte that shows it").toEqual(settled);
    for (let cut = 1; cut < bytes.length; cut++) {
      expectEqual(outcomeOfRun(runDecoder(chunksAt(bytes, [cut]), vector.options)), expected, () => `cut at ${cut}`);
    }
    for (const behind of BEHIND) {
      const longer = cat(bytes, behind);
      const wanted = outcomeOf(oracle(longer, vector.options));
      const cuts = [Math.floor(bytes.length / 3), bytes.length];
      expect(outcomeOfRun(runDecoder([longer], vector.options)), `with ${behind} behind`).toEqual(wanted);
      expect(outcomeOfRun(runDecoder(chunksAt(longer, cuts), vector.options)), `with ${behind} behind, in chunks`).toEqual(wanted);
    }
  });
});
