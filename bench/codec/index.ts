/** `npm run bench -- codec`: messages to bytes and back, beside other libraries. */
import { median, quantile } from "../harness.js";
import { Worker } from "../processes.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { percent, short, times } from "../report.js";
import type { Task } from "./codec-process.js";
import { SIZES } from "./orders.js";
import { BASE, type CodecSubject, SUBJECTS } from "./subjects.js";

/** The benchmark of message codecs. */
export const codecBenchmark: Benchmark = {
  name: "codec",
  summary: "messages to bytes and back: ts-proto with framewire's writer and reader beside other libraries",
  packages: [...new Set(SUBJECTS.flatMap((subject) => subject.from))],
  run,
};

type Half = Task["work"];

interface Figures {
  readonly nanos: number;
  readonly spread: number;
  /** Median over the rounds of this contestant's rate to that of stock ts-proto in the same round. */
  readonly ratio: number;
}

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const rounds = settings.rounds ?? (quick ? 5 : 11);
  const ms = quick ? 30 : 120;
  const chosen = SUBJECTS.filter(({ name }) => name === BASE || settings.only === undefined || name.includes(settings.only));
  const execArgv = settings.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${settings.profile}`];
  const workers = new Map<CodecSubject, Worker>();
  const sections: Section[] = [];
  const ask = (subject: CodecSubject, task: Task) => workers.get(subject)!.ask<number>("measure", task);
  try {
    for (const subject of chosen) {
      progress(`codec: ${subject.name} warms up`);
      workers.set(subject, await Worker.start(subject.name, new URL("./codec-process.js", import.meta.url), [subject.name], { execArgv }));
      for (const size of SIZES.keys()) for (const work of ["encode", "decode"] as const) await ask(subject, { size, work, ms: ms * 3 });
    }
    for (const [size, { name }] of SIZES.entries()) {
      const halves: Record<Half, Map<CodecSubject, number[]>> = { encode: new Map(), decode: new Map() };
      for (const work of ["encode", "decode"] as const) {
        const samples = halves[work];
        for (const subject of chosen) samples.set(subject, []);
        for (let round = 0; round < rounds; round++) {
          for (let turn = 0; turn < chosen.length; turn++) {
            const subject = chosen[(turn + round) % chosen.length]!;
            progress(`codec: ${name}, ${work}, round ${round + 1} of ${rounds}, ${subject.name}`);
            samples.get(subject)!.push(await ask(subject, { size, work, ms }));
          }
        }
      }
      const rows = [];
      for (const subject of chosen) {
        const encode = figures(halves.encode, subject);
        const decode = figures(halves.decode, subject);
        const bytes = Math.round(await workers.get(subject)!.ask<number>("bytes", size));
        rows.push({ size: name, subject: subject.name, bytes, ...prefixed("encode", encode), ...prefixed("decode", decode) });
      }
      sections.push(sectionOf(name, rows));
    }
  } finally {
    for (const worker of workers.values()) await worker.stop();
  }
  return sections;
}

function figures(samples: ReadonlyMap<CodecSubject, readonly number[]>, subject: CodecSubject): Figures {
  const own = samples.get(subject)!;
  const base = [...samples].find(([{ name }]) => name === BASE)![1];
  const nanos = median(own);
  return {
    nanos,
    spread: (quantile(own, 0.75) - quantile(own, 0.25)) / nanos,
    ratio: median(own.map((taken, round) => base[round]! / taken)),
  };
}

function prefixed(half: Half, { nanos, spread, ratio }: Figures) {
  return { [`${half}PerSecond`]: 1e9 / nanos, [`${half}Nanos`]: nanos, [`${half}Spread`]: spread, [`${half}Ratio`]: ratio };
}

function sectionOf(size: string, rows: Section["rows"]): Section {
  return {
    title: `Codec: messages of about ${size}`,
    note: "Messages per second of processor time. Asked of ts-proto with framewire's writer and reader: encode 3.5 times stock, decode 1.3 times, neither slower than protobufjs static.",
    columns: [
      { key: "subject", title: "contestant" },
      { key: "bytes", title: "bytes" },
      { key: "encodePerSecond", title: "encoded/s", format: short },
      { key: "encodeSpread", title: "±", format: percent },
      { key: "encodeRatio", title: "to stock", format: times },
      { key: "decodePerSecond", title: "decoded/s", format: short },
      { key: "decodeSpread", title: "±", format: percent },
      { key: "decodeRatio", title: "to stock", format: times },
    ],
    rows,
    plots: (["encode", "decode"] as const).map((half) => ({
      title: `Messages ${half}d per second, about ${size}`,
      bars: rows.map((row) => ({
        label: String(row.subject),
        value: Number(row[`${half}PerSecond`]),
        text: `${short(row[`${half}PerSecond`] ?? null)}/s, ${times(row[`${half}Ratio`] ?? null)}`,
      })),
    })),
  };
}
