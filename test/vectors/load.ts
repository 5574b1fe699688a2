/** Reads the committed vector files. */
import { readdirSync, readFileSync } from "node:fs";
import type { Outcome } from "../helpers/outcome.js";
import { hex, toHex } from "../helpers/wire-builder.js";
import type { Vector } from "./case.js";

export interface VectorFile {
  readonly description: string;
  readonly cases: readonly Vector[];
}

/** Files that hold no streams for a decoder. */
const OTHERS = ["encode.json", "sessions.json"];

/** All decoder vectors, by file name without `.json`. */
export function loadVectors(): Map<string, VectorFile> {
  const folder = new URL("./", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(".json") && !OTHERS.includes(name));
  return new Map(names.sort().map((name) => [name.slice(0, -5), JSON.parse(readFileSync(new URL(name, folder), "utf8")) as VectorFile]));
}

/** What `vector` expects, in the spelling that tests compare. */
export function vectorOutcome(vector: Vector): Outcome {
  const tidy = (text: string): string => toHex(hex(text));
  return {
    frames: vector.frames.map((frame) => ({
      ...frame,
      afterGap: frame.afterGap ?? 0,
      payload: tidy(frame.payload),
      ...(frame.ext === undefined ? {} : { ext: tidy(frame.ext) }),
    })),
    discards: vector.discards.map(({ start, end, reason }) => ({ start, end, reason })),
    damages: vector.discards.map(({ start, reason }) => ({ start, reason })),
    ...(vector.error === undefined ? {} : { error: vector.error }),
  };
}
