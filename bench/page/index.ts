/** docs/benchmarks.md and its charts, made from results. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Benchmark } from "../report.js";
import type { Result, Table } from "../result.js";
import { decodePlots } from "./decode-plots.js";
import { drawPlot, type Plot } from "./svg.js";

const PAGE = "docs/benchmarks.md";
const CHARTS = "docs/benchmarks";

/** Written by hand: what the profiles showed. Stands behind the figures. */
const FINDINGS = "bench/page/findings.md";

/** Writes the page. Gives the names of the files written. */
export function writePage(benchmarks: readonly Benchmark[], results: readonly Result[]): string[] {
  rmSync(CHARTS, { recursive: true, force: true });
  mkdirSync(CHARTS, { recursive: true });
  const files: string[] = [];
  const parts = results.map((result) => {
    const benchmark = benchmarks.find(({ name }) => name === result.benchmark);
    const charts: string[] = [];
    const chart = (plot: Plot) => {
      const file = `${result.benchmark}-${charts.length + 1}.svg`;
      writeFileSync(`${CHARTS}/${file}`, drawPlot(plot));
      files.push(`${CHARTS}/${file}`);
      charts.push(file);
      return `![${plot.title}](benchmarks/${file})`;
    };
    const extra = result.benchmark === "decode" ? decodePlots(result).map(chart) : [];
    const tables = result.tables.filter(({ head }) => head.length > 0);
    return [
      `## ${result.benchmark}`,
      benchmark?.about ?? `${capital(benchmark?.summary ?? "")}.`,
      circumstances(result),
      ...extra,
      ...tables.flatMap((table) => [
        `### ${table.title}`,
        ...(table.note === undefined ? [] : [table.note]),
        ...table.plots.map(chart),
        grid(table),
      ]),
    ].join("\n\n");
  });
  const { machine } = results[0]!;
  const head = [
    "# Benchmarks",
    "<!-- Written by `npm run bench -- all --write`. Text belongs into bench/: the page is written anew with each run. -->",
    "Figures of framewire beside its peers, measured on one machine: they tell who is ahead of whom, and by how much; not what another machine will do. [bench/README.md](../bench/README.md) says how each of them is taken, [scaling.md](scaling.md) what follows for connections, cores and machines.",
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Node ${machine.node} (V8 ${machine.v8}). Everything runs over loopback.`,
    "A figure is the median of the rounds, in which the contestants take turns; ± is the range between the quartiles, divided by the median. A ratio is the median of the ratios within the rounds.",
  ];
  writeFileSync(PAGE, `${[...head, ...parts, readFileSync(FINDINGS, "utf8").trim()].join("\n\n")}\n`);
  return [PAGE, ...files];
}

function circumstances({ date, seconds, versions, machine, quick }: Result): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const load = `load ${machine.load} when it began`;
  const ran = `Ran on ${date} for ${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}, ${load}.`;
  const peers = packages.length === 0 ? "" : ` With ${packages.join(", ")}.`;
  return `${ran}${peers}${quick ? " **Quick run: a look, not a figure to quote.**" : ""}`;
}

function grid({ head, numeric, cells }: Table): string {
  const cell = (text: string) => text.replace(/ {2,}/g, ", ").replaceAll("|", "\\|").trim();
  const line = (row: readonly string[]) => `| ${row.map(cell).join(" | ")} |`;
  const rule = `| ${numeric.map((right) => (right ? "--:" : "---")).join(" | ")} |`;
  return [line(head), rule, ...cells.map(line)].join("\n");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
