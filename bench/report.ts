/** What a benchmark hands back, and how it is printed: tables for people, one JSON document for programs. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, totalmem } from "node:os";
import type { Plot } from "./page/svg.js";

/** A value of a row: numbers stay numbers in the JSON. */
export type Cell = string | number | boolean | null;

/** One column of a table. */
export interface Column {
  /** Key of the row's value. */
  readonly key: string;
  readonly title: string;
  /** How people see the value. Default: as it is. */
  readonly format?: (value: Cell) => string;
}

/** One table. */
export interface Section {
  readonly title: string;
  /** A line or two on what was measured. */
  readonly note?: string;
  readonly columns: readonly Column[];
  /** May hold more than the columns show; the JSON has all of it. */
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** Charts of the page. Default: none. */
  readonly plots?: readonly Plot[];
}

/** What a benchmark is started with. */
export interface Settings {
  /** Fewer and smaller samples: a look, not a figure to quote. */
  readonly quick: boolean;
  /** Rounds for each case, when given. */
  readonly rounds?: number;
  /** Part of the names of the contestants to measure; default: all. The one that others are compared with always runs. */
  readonly only?: string;
  /** Folder for CPU profiles of the processes that are started; default: none. */
  readonly profile?: string;
  /** Told what is being measured now. */
  readonly progress: (text: string) => void;
}

/** One subcommand of `npm run bench`. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** What is measured and how, in Markdown: the text above its tables on the page. */
  readonly about?: string;
  /** npm packages that take part; their versions go into the report. */
  readonly packages: readonly string[];
  readonly run: (settings: Settings) => Promise<Section[]>;
}

/** Where the figures come from. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** Load average of the last minute when the run began: what else wanted the processors. */
  readonly load: number;
}

/** This machine. */
export function machine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** Installed versions of `packages`, by name. */
export function versionsOf(packages: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url);
  const versions: Record<string, string> = {};
  for (const name of packages) {
    // Read from the file: most packages' exports do not let their package.json be required.
    const folder = require.resolve.paths(name)!.find((path) => readable(`${path}/${name}/package.json`) !== undefined);
    versions[name] = folder === undefined ? "not installed" : JSON.parse(readable(`${folder}/${name}/package.json`)!).version;
  }
  return versions;
}

/** What people see of each row. */
export function cellsOf({ columns, rows }: Section): string[][] {
  return rows.map((row) => columns.map((column) => show(column, row[column.key] ?? null)));
}

/** Whether a column has values other than text, and so stands to the right. */
export function isNumeric({ rows }: Section, { key }: Column): boolean {
  return !rows.every((row) => typeof row[key] === "string");
}

/** 1234567 as `1.23 M`, 1234 as `1.23 k`. */
export function short(value: Cell): string {
  if (typeof value !== "number") return value === null ? "-" : String(value);
  for (const [size, unit] of [
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ] as const) {
    if (value >= size) return `${(value / size).toPrecision(3)}${unit}`;
  }
  return value.toPrecision(3);
}

/** 123.4 (millions of bytes per second) as `123 MB/s`. */
export function megabytes(value: Cell): string {
  return typeof value === "number" ? `${value < 10 ? value.toFixed(1) : Math.round(value)} MB/s` : "-";
}

/** 2.5 as `2.50×`. */
export function times(value: Cell): string {
  return typeof value === "number" ? `${value < 10 ? value.toFixed(2) : value.toFixed(1)}×` : "-";
}

/** 0.031 as `3 %`. */
export function percent(value: Cell): string {
  return typeof value === "number" ? `${(value * 100).toFixed(0)} %` : "-";
}

function show(column: Column, value: Cell): string {
  if (column.format !== undefined) return column.format(value);
  return value === null ? "-" : String(value);
}

function readable(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
