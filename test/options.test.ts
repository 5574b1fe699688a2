import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FramewireError } from "../src/errors.js";
import { DEFAULTS, resolveConnectionOptions, resolveReconnectOptions, resolveServerOptions } from "../src/options.js";

const page = readFileSync(new URL("../docs/options.md", import.meta.url), "utf8");
const source = readFileSync(new URL("../src/options.ts", import.meta.url), "utf8");

interface Row {
  readonly name: string;
  readonly value: string;
  readonly unit: string;
  readonly what: string;
}

/** Rows with four cells; those with two have no default. */
const rows: Row[] = page
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter((cells) => cells.length === 6 && /^`\w+`$/.test(cells[1] ?? ""))
  .map(([, name = "", value = "", unit = "", what = ""]) => ({ name: name.slice(1, -1), value, unit, what }));

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `1 MiB`, `20,000`, `0x7EDDFCF5` or `"resync"` as a value. */
function read(text: string): number | string {
  const quoted = /^`"(.+)"`$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted;
  const [number = "", unit] = text.split(" ");
  return Number(number.replaceAll(",", "")) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}

describe("docs/options.md", () => {
  it("has every default, once, and no other", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(DEFAULTS).sort());
  });

  it.each(rows)("$name has the value of the code, a unit and a line of its own", ({ name, value, unit, what }) => {
    expect(read(value)).toBe(DEFAULTS[name as keyof typeof DEFAULTS]);
    expect(what.length).toBeGreaterThan(10);
    if (name.endsWith("Ms")) expect(unit).toBe("ms");
    if (name.endsWith("Bytes") || name === "maxPayload" || name === "highWaterMark") expect(unit).toBe("bytes");
  });

  it("agrees with the doc comments of the code", () => {
    for (const [, comment = "", name = ""] of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+readonly (\w+)\?:/g)) {
      const told = /Default ((?:0x)?[\dA-F.,]+(?: (?:ms|s|KiB|MiB|GiB))?)(?=[.\s]|$)/.exec(comment)?.[1]?.replace(/[.,]$/, "");
      if (told !== undefined) expect([name, read(told)]).toEqual([name, DEFAULTS[name as keyof typeof DEFAULTS]]);
    }
  });
});

describe("options", () => {
  const refused = (resolve: () => unknown) => expect(resolve).toThrow(FramewireError);

  it.each(Object.entries(DEFAULTS).filter(([, value]) => typeof value === "number"))("%s must be a number in its range", (name) => {
    for (const value of ["1", null, Number.NaN, -1, -0.5]) {
      refused(() => resolveServerOptions({ [name]: value }) && resolveReconnectOptions({ [name]: value }));
    }
  });

  it("may be left out or undefined, and then have their defaults", () => {
    expect(resolveConnectionOptions({ maxPayload: undefined as never })).toMatchObject({
      maxPayload: DEFAULTS.maxPayload,
      maxCalls: DEFAULTS.maxCalls,
    });
  });

  it("that are limits of a server can be switched off, others not", () => {
    expect(resolveServerOptions({ maxFramesPerSecond: Number.POSITIVE_INFINITY }).maxFramesPerSecond).toBe(Number.POSITIVE_INFINITY);
    refused(() => resolveServerOptions({ maxPayload: Number.POSITIVE_INFINITY }));
  });

  it("errorRate is a share, and no integer", () => {
    expect(resolveConnectionOptions({ errorRate: 0.25 }).errorRate).toBe(0.25);
    for (const errorRate of [1.01, -0.1]) refused(() => resolveConnectionOptions({ errorRate }));
  });
});
