/** `npm run bench -- NAME [--json] [--quick] [--rounds N]`: runs one benchmark, or all, and prints the report. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { codecBenchmark } from "./codec/index.js";
import { decodeBenchmark } from "./decode/index.js";
import { echoBenchmark } from "./echo/index.js";
import { fanoutBenchmark } from "./fanout/index.js";
import { memoryBenchmark } from "./memory/index.js";
import { writePage } from "./page/index.js";
import type { Benchmark } from "./report.js";
import { keepResult, keptResult, type Result, renderTable, resultOf } from "./result.js";
import { scalingBenchmark } from "./scaling/index.js";
import { startupBenchmark } from "./startup/index.js";

const BENCHMARKS: readonly Benchmark[] = [
  decodeBenchmark,
  codecBenchmark,
  echoBenchmark,
  fanoutBenchmark,
  memoryBenchmark,
  startupBenchmark,
  scalingBenchmark,
];

interface Flags {
  readonly json?: true;
  readonly quick?: true;
  readonly rounds?: number;
  readonly only?: string;
  readonly profile?: string;
  readonly write?: true;
}

const program = new Command("bench").description("Measures framewire side by side with its peers").showHelpAfterError();
for (const benchmark of BENCHMARKS) {
  common(program.command(benchmark.name).description(benchmark.summary))
    .option("--only <text>", "only contestants whose name has this in it, and the one they are compared with")
    .option("--profile <folder>", "write CPU profiles of the processes that are started")
    .action((flags: Flags) => report([benchmark], flags));
}
common(program.command("all").description("all of them, one after the other"))
  .option("--write", "write docs/benchmarks.md and its plots from the results")
  .action((flags: Flags) => report(BENCHMARKS, flags));
program
  .command("page")
  .description("writes docs/benchmarks.md and its plots from the last full run of each benchmark")
  .action(() => page(BENCHMARKS.map(({ name }) => keptResult(name))));
await program.parseAsync();

function common(command: Command): Command {
  return command
    .option("--json", "print one JSON document instead of tables")
    .option("--quick", "fewer and smaller samples: a look, not a figure to quote")
    .option("--rounds <n>", "rounds for each case", positive);
}

async function report(benchmarks: readonly Benchmark[], flags: Flags): Promise<void> {
  const results: Result[] = [];
  for (const benchmark of benchmarks) {
    const result = await resultOf(benchmark, {
      quick: flags.quick === true,
      ...(flags.rounds === undefined ? {} : { rounds: flags.rounds }),
      ...(flags.only === undefined ? {} : { only: flags.only }),
      ...(flags.profile === undefined ? {} : { profile: resolve(flags.profile) }),
      progress: (text) => {
        if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
      },
    });
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    results.push(result);
    // A part of a run, or one that is slowed by its own profile, is not what a page should show.
    if (flags.only === undefined && flags.profile === undefined && flags.quick !== true) keepResult(result);
    if (flags.json !== true) print(result);
  }
  if (flags.json === true) {
    const documents = results.map(documentOf);
    process.stdout.write(`${JSON.stringify(documents.length === 1 ? documents[0] : documents, null, 1)}\n`);
  }
  if (flags.write === true) page(results);
}

function page(results: readonly Result[]): void {
  for (const file of writePage(BENCHMARKS, results)) process.stderr.write(`${file}\n`);
}

function print({ machine, versions, seconds, quick, tables }: Result): void {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Node ${machine.node} (V8 ${machine.v8}), load ${machine.load} before`,
    packages.join(", "),
    `${seconds} s${quick ? ", --quick: a look, not a figure to quote" : ""}`,
  ];
  // A table without columns is there for the JSON alone.
  const shown = tables.filter(({ head }) => head.length > 0).map(renderTable);
  process.stdout.write(`${lines.filter((line) => line !== "").join("\n")}\n\n${shown.join("\n")}\n`);
}

function documentOf({ tables, ...rest }: Result) {
  return { ...rest, sections: tables.map(({ title, note, rows }) => ({ title, ...(note === undefined ? {} : { note }), rows })) };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1.");
  return value;
}
