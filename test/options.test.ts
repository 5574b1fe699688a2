import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type CloseErrorCode, closeCodeOf, FramewireError } from "../src/errors.js";
import { DEFAULTS, resolveConnectionOptions, resolveReconnectOptions, resolveServerOptions } from "../src/options.js";
import { createServer } from "../src/server/index.js";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const page = read("docs/options.md");

/** Where the options of each section are declared; `ListenOptions` has some within others. */
const DECLARED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Codec: {
    FrameOptions: "src/options.ts",
    DecoderOptions: "src/options.ts",
    FrameDecoderOptions: "src/codec/decoder/frame-decoder.ts",
    EncoderOptions: "src/codec/encoder/frame-encoder.ts",
  },
  "Both ends of a connection": { ConnectionOptions: "src/options.ts" },
  Servers: {
    ServerLimits: "src/options.ts",
    ServerOptions: "src/server/server-options.ts",
    PageOptions: "src/server/origin.ts",
    ListenOptions: "src/server/listen-options.ts",
  },
  Clients: {
    ReconnectOptions: "src/options.ts",
    ClientOptions: "src/client/client-options.ts",
    CoreClientOptions: "src/client/core/parts.ts",
  },
  Outbox: { OutboxOptions: "src/outbox/open.ts" },
};

/** Names of the members of an interface; of one within another, with the name of that before it. */
function membersOf(name: string, path: string): string[] {
  const body = new RegExp(`^export interface ${name} .*\\{\\n([^]*?)\\n\\}$`, "m").exec(read(path))?.[1];
  expect(body, `${name} in ${path}`).toBeDefined();
  const members: string[] = [];
  let outer = "";
  for (const [, indent = "", member = "", type = ""] of (body as string).matchAll(/^( +)readonly (\w+)\??: (.*)$/gm)) {
    if (indent.length === 2) outer = member;
    if (type !== "{") members.push(indent.length === 2 ? member : `${outer}.${member}`);
  }
  return members;
}

interface Row {
  readonly section: string;
  readonly names: readonly string[];
  readonly cells: readonly string[];
}

const rows: Row[] = page.split(/^## /m).flatMap((section) =>
  section
    .split("\n")
    .map((line) => line.split(" |").map((cell) => cell.replace(/^\| /, "").trim()))
    .filter(([first = "", ...rest]) => first.startsWith("`") && rest.length > 1)
    .map((cells) => ({
      section: section.slice(0, section.indexOf("\n")),
      names: Array.from((cells[0] as string).matchAll(/`([\w.]+)(?:\([\w, ]+\))?`/g), ([, name]) => name as string),
      cells: cells.slice(1, -1),
    })),
);
const withDefault = rows
  .filter(({ cells }) => cells.length === 4)
  .map(({ names: [name = ""], cells: [value = "", unit = "", what = "", limit = ""] }) => ({ name, value, unit, what, limit }));

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `1 MiB`, `20,000`, `0x7EDDFCF5` or `"resync"` as a value. */
function parsed(text: string): number | string {
  const quoted = /^`"(.+)"`$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted;
  const [number = "", unit] = text.split(" ");
  return Number(number.replaceAll(",", "")) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}

describe("docs/options.md", () => {
  it.each(Object.entries(DECLARED))("%s: has every option of the types, and no other", (section, interfaces) => {
    const there = rows.filter((row) => row.section === section).flatMap(({ names }) => names);
    const above = rows
      .slice(
        0,
        rows.findIndex((row) => row.section === section),
      )
      .flatMap(({ names }) => names);
    const declared = new Set(Object.entries(interfaces).flatMap(([name, path]) => membersOf(name, path)));
    expect(new Set(there).size).toBe(there.length);
    expect(there.filter((name) => !declared.has(name))).toEqual([]);
    expect([...declared].filter((name) => !there.includes(name) && !above.includes(name))).toEqual([]);
  });

  it("has every default, once, and no other", () => {
    expect(withDefault.map(({ name }) => name).sort()).toEqual(Object.keys(DEFAULTS).sort());
  });

  it.each(withDefault)("$name has the value of the code, a unit and a line of its own", ({ name, value, unit, what }) => {
    expect(parsed(value)).toBe(DEFAULTS[name as keyof typeof DEFAULTS]);
    expect(what.length).toBeGreaterThan(10);
    if (name.endsWith("Ms")) expect(unit).toBe("ms");
    if (name.endsWith("Bytes") || name === "maxPayload" || name === "highWaterMark") expect(unit).toBe("bytes");
  });

  it.each(withDefault.filter(({ name }) => /^max|Timeout|Budget|Rate$|Bytes|Frames$/.test(name) && name !== "errorRateFrames"))(
    "$name says what happens at the limit",
    ({ limit }) => {
      expect(limit).not.toBe("");
    },
  );

  it("names the close codes as the code has them, and every limit that a server counts", () => {
    const closes = [...page.matchAll(/`([a-z-]+)` \((\d{4})\)/g)].map(([, code, number]) => [code, Number(number)]);
    expect(closes.length).toBeGreaterThan(10);
    for (const [code, number] of closes) expect([code, closeCodeOf(code as CloseErrorCode)]).toEqual([code, number]);
    const named = new Set([...page.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code));
    expect(Object.keys(createServer().stats.limits).filter((code) => !named.has(code))).toEqual([]);
  });

  it("agrees with the doc comments of the code", () => {
    for (const [, comment = "", name = ""] of read("src/options.ts").matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+readonly (\w+)\?:/g)) {
      const told = /Default ((?:0x)?[\dA-F.,]+(?: (?:ms|s|KiB|MiB|GiB))?)(?=[.\s]|$)/.exec(comment)?.[1]?.replace(/[.,]$/, "");
      if (told !== undefined) expect([name, parsed(told)]).toEqual([name, DEFAULTS[name as keyof typeof DEFAULTS]]);
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
