/** What a run leaves behind: figures, and the text that people read, ready to be put on a page later. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Plot } from "./page/svg.js";
import { type Benchmark, type Cell, cellsOf, isNumeric, type Machine, machine, type Section, type Settings, versionsOf } from "./report.js";

/** One table as text. */
export interface Table {
  readonly title: string;
  readonly note?: string;
  readonly head: readonly string[];
  /** Columns of numbers, which stand to the right. */
  readonly numeric: readonly boolean[];
  readonly cells: readonly (readonly string[])[];
  readonly plots: readonly Plot[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

/** One run of one benchmark. */
export interface Result {
  readonly benchmark: string;
  readonly quick: boolean;
  /** Day of the run, as 2026-01-31. */
  readonly date: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
}

/** Runs a benchmark. */
export async function resultOf(benchmark: Benchmark, settings: Settings): Promise<Result> {
  const here = machine();
  const started = performance.now();
  const sections = await benchmark.run(settings);
  return {
    benchmark: benchmark.name,
    quick: settings.quick,
    date: new Date().toISOString().slice(0, 10),
    seconds: Math.round((performance.now() - started) / 1000),
    machine: here,
    versions: versionsOf(benchmark.packages),
    tables: sections.map(tableOf),
  };
}

const FOLDER = ".cache/bench-results";

/** Keeps a result until the next run of the same benchmark. */
export function keepResult(result: Result): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}/${result.benchmark}.json`, JSON.stringify(result));
}

/** The result of the last full run of a benchmark. @throws Error if there is none */
export function keptResult(benchmark: string): Result {
  try {
    return JSON.parse(readFileSync(`${FOLDER}/${benchmark}.json`, "utf8")) as Result;
  } catch (cause) {
    throw new Error(`there is no result of ${benchmark}: run it first`, { cause });
  }
}

function tableOf(section: Section): Table {
  const { title, note, columns, rows, plots = [] } = section;
  return {
    title,
    ...(note === undefined ? {} : { note }),
    head: columns.map((column) => column.title),
    numeric: columns.map((column) => isNumeric(section, column)),
    cells: cellsOf(section),
    plots,
    rows,
  };
}

/** A table as text, columns aligned, numbers to the right. */
export function renderTable({ title, note, head, numeric, cells }: Table): string {
  const widths = head.map((text, i) => Math.max(text.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((text, i) => (numeric[i] === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [title, ...(note === undefined ? [] : [note]), "", line(head), rule, ...cells.map(line), ""].join("\n");
}
