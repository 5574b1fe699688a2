/** `npm run bench -- NAME [--json] [--quick] [--rounds N]`: runs one benchmark and prints its report. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { codecBenchmark } from "./codec/index.js";
import { decodeBenchmark } from "./decode/index.js";
import { echoBenchmark } from "./echo/index.js";
import { fanoutBenchmark } from "./fanout/index.js";
import { memoryBenchmark } from "./memory/index.js";
import { type Benchmark, machine, renderSection, type Section, versionsOf } from "./report.js";
import { startupBenchmark } from "./startup/index.js";

const BENCHMARKS: readonly Benchmark[] = [
  decodeBenchmark,
  codecBenchmark,
  echoBenchmark,
  fanoutBenchmark,
  memoryBenchmark,
  startupBenchmark,
];

interface Flags {
  readonly json?: true;
  readonly quick?: true;
  readonly rounds?: number;
  readonly only?: string;
  readonly profile?: string;
}

const program = new Command("bench").description("Measures framewire side by side with its peers").showHelpAfterError();
for (const benchmark of BENCHMARKS) {
  program
    .command(benchmark.name)
    .description(benchmark.summary)
    .option("--json", "print one JSON document instead of tables")
    .option("--quick", "fewer and smaller samples: a look, not a figure to quote")
    .option("--rounds <n>", "rounds for each case", positive)
    .option("--only <text>", "only contestants whose name has this in it, and the one they are compared with")
    .option("--profile <folder>", "write CPU profiles of the processes that are started")
    .action((flags: Flags) => report(benchmark, flags));
}
await program.parseAsync();

async function report(benchmark: Benchmark, flags: Flags): Promise<void> {
  const here = machine();
  const started = performance.now();
  const sections = await benchmark.run({
    quick: flags.quick === true,
    ...(flags.rounds === undefined ? {} : { rounds: flags.rounds }),
    ...(flags.only === undefined ? {} : { only: flags.only }),
    ...(flags.profile === undefined ? {} : { profile: resolve(flags.profile) }),
    progress: (text) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const seconds = Math.round((performance.now() - started) / 1000);
  const versions = versionsOf(benchmark.packages);
  if (flags.json === true) {
    const document = {
      benchmark: benchmark.name,
      quick: flags.quick === true,
      seconds,
      machine: here,
      versions,
      sections: sections.map(bare),
    };
    process.stdout.write(`${JSON.stringify(document, null, 1)}\n`);
    return;
  }
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${here.cpu}, ${here.cores} cores, ${here.memoryGiB} GiB, ${here.platform}, Node ${here.node} (V8 ${here.v8}), load ${here.load} before`,
    packages.join(", "),
    `${seconds} s${flags.quick === true ? ", --quick: a look, not a figure to quote" : ""}`,
  ];
  process.stdout.write(`${lines.filter((line) => line !== "").join("\n")}\n\n${sections.filter(printed).map(renderSection).join("\n")}`);
}

/** A section without columns is there for the JSON alone. */
function printed({ columns }: Section): boolean {
  return columns.length > 0;
}

function bare({ title, note, rows }: Section) {
  return { title, ...(note === undefined ? {} : { note }), rows };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1.");
  return value;
}
