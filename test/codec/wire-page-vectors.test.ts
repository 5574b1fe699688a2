import { describe, expect, it } from "vitest";
import {
  type CallErrorCode,
  type CloseErrorCode,
  closeCodeOf,
  codeOfCloseCode,
  codeOfStatus,
  isRetryable,
  statusOf,
} from "../../src/errors.js";
import { oracle } from "../helpers/oracle.js";
import { outcomeOf } from "../helpers/outcome.js";
import { cat } from "../helpers/wire-builder.js";
import { vectorOutcome } from "../vectors/load.js";
import { pageDeclarations, pageHexBlocks, pageNumberRows, pageVectors, protoDeclarations } from "./wire-page.js";

describe("docs/wire.md", () => {
  const vectors = pageVectors();

  it("says what comes out of each of its hex blocks", () => {
    expect(vectors).toHaveLength(pageHexBlocks());
    expect(vectors.length).toBeGreaterThanOrEqual(12);
  });

  it.each(vectors.map((vector) => [vector.name, vector] as const))("%s: the bytes say what the JSON says", (_, vector) => {
    expect(outcomeOf(oracle(cat(...vector.stream), vector.options))).toEqual(vectorOutcome(vector));
  });

  it.each(["data_frame.proto", "session.proto", "command.proto"])("declares the messages as %s does", (name) => {
    const declarations = protoDeclarations(name);
    expect(declarations.length).toBeGreaterThanOrEqual(3);
    expect(pageDeclarations()).toEqual(expect.arrayContaining(declarations));
  });

  it("declares no message that the protos do not have", () => {
    const declarations = ["data_frame.proto", "session.proto", "command.proto"].flatMap(protoDeclarations);
    expect(pageDeclarations().sort()).toEqual(declarations.sort());
  });

  it("lists every close code with its name and whether to try again", () => {
    const rows = pageNumberRows().filter(([number]) => Number(number) >= 4000);
    for (const [number, name, again] of rows) {
      expect([name, closeCodeOf(name as CloseErrorCode)]).toEqual([name, Number(number)]);
      expect([name, isRetryable(Number(number))]).toEqual([name, again === "yes"]);
    }
    const known = Array.from({ length: 1000 }, (_, i) => 4000 + i).filter((code) => codeOfCloseCode(code) !== undefined);
    expect(rows.map(([number]) => Number(number))).toEqual(known);
  });

  it("lists every status with its name", () => {
    const cells = pageNumberRows().filter((row) => row.length === 5 && row[2] === "");
    const pairs = cells.flatMap((row) => [row.slice(0, 2), row.slice(3)]).map(([number, name]) => [Number(number), name] as const);
    expect(pairs.map(([number]) => number).sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    for (const [number, name] of pairs) expect([name, statusOf(name as CallErrorCode), codeOfStatus(number)]).toEqual([name, number, name]);
  });
});
