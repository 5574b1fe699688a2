/**
 * Writes the vector files from `source/` (`npm run vectors`). What a case expects was written by hand there, as the verdict
 * on each piece of its stream; a case with which the oracle does not agree is not written.
 */
import { deepStrictEqual } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { oracle } from "../helpers/oracle.js";
import { type Outcome, outcomeOf } from "../helpers/outcome.js";
import { cat } from "../helpers/wire-builder.js";
import type { Vector } from "./case.js";
import { vectorOutcome } from "./load.js";
import * as close from "./source/close.js";
import * as damage from "./source/damage.js";
import * as encode from "./source/encode.js";
import * as head from "./source/head.js";
import * as sessions from "./source/sessions.js";
import * as trailer from "./source/trailer.js";
import * as validV1 from "./source/valid-v1.js";
import * as validV2 from "./source/valid-v2.js";

const DECODE = { close, damage, head, trailer, "valid-v1": validV1, "valid-v2": validV2 };

/** Every vector file as it should be, by name. */
export function vectorFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, { description, cases }] of Object.entries(DECODE)) {
    for (const vector of cases) check(vector);
    files.set(`${name}.json`, print(description, cases));
  }
  files.set("encode.json", print(encode.description, encode.cases));
  files.set("sessions.json", print(sessions.description, sessions.cases));
  return files;
}

function check(vector: Vector): void {
  const bytes = cat(...vector.stream);
  const expected: Outcome = vectorOutcome(vector);
  const { discards, ...rest } = oracle(bytes, vector.options);
  deepStrictEqual(outcomeOf({ discards, ...rest }), expected, vector.name);
  deepStrictEqual(discards, vector.discards, vector.name);
  const early = oracle(bytes, vector.options, { flush: false }).frames.length;
  deepStrictEqual(early, vector.beforeFlush ?? vector.frames.length, `${vector.name}, before the flush`);
}

/** JSON with one line for each case's field and for each frame or discard. */
function print(description: string, cases: readonly object[]): string {
  const value = (item: unknown): string =>
    Array.isArray(item) && item.length > 0
      ? `[\n        ${item.map((each) => JSON.stringify(each)).join(",\n        ")}\n      ]`
      : JSON.stringify(item);
  const entries = (item: object): string =>
    Object.entries(item)
      .map(([key, each]) => `      ${JSON.stringify(key)}: ${value(each)}`)
      .join(",\n");
  const list = cases.map((item) => `    {\n${entries(item)}\n    }`).join(",\n");
  return `{\n  "description": ${JSON.stringify(description)},\n  "cases": [\n${list}\n  ]\n}\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [name, text] of vectorFiles()) {
    writeFileSync(`test/vectors/${name}`, text);
    console.log(`test/vectors/${name}`);
  }
}
