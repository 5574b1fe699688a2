/** `npm run bench -- echo`: messages there and back between two processes, beside the peers. */
import { median, quantile } from "../harness.js";
import { pins, Worker } from "../processes.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { percent, short, times } from "../report.js";
import { BASE, type EchoSubject, LIBRARIES, SUBJECTS } from "./subjects.js";
import { type Sample, WORKS, type Work } from "./works.js";

/** The benchmark of messages there and back. */
export const echoBenchmark: Benchmark = {
  name: "echo",
  summary: "messages there and back between two processes: rate and CPU time of each side, beside raw sockets and other libraries",
  packages: [...new Set(SUBJECTS.flatMap((subject) => subject.from))],
  run,
};

/** A contestant that is slow for good is measured all the same. In milliseconds, for each work. */
const LONGEST_WARM_UP_MS = 8_000;

interface Row {
  readonly [key: string]: string | number;
  readonly work: string;
  readonly subject: string;
  readonly messagesPerSecond: number;
  readonly spread: number;
  /** Median over the rounds of this contestant's rate to that of stock ws in the same round. */
  readonly ratio: number;
  /** The same of the processor time of both sides: how many messages it gets out of a second of it. */
  readonly cpuRatio: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
  readonly rounds: number;
}

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const rounds = settings.rounds ?? (quick ? 3 : 7);
  const sampleMs = quick ? 200 : 700;
  const chosen = SUBJECTS.filter(({ name }) => name === BASE || settings.only === undefined || name.includes(settings.only));
  const workers = new Map<EchoSubject, Worker>();
  const rows: Row[] = [];
  try {
    for (const subject of chosen) {
      progress(`echo: ${subject.name} warms up`);
      const worker = await startPair(subject, settings.profile);
      workers.set(subject, worker);
      for (const work of [...WORKS].reverse()) await warmUp(worker, work);
    }
    for (const work of WORKS) {
      const samples = new Map<EchoSubject, Sample[]>(chosen.map((subject) => [subject, []]));
      for (const subject of chosen) await workers.get(subject)!.ask("sample", { work, ms: sampleMs }, 60_000);
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < chosen.length; turn++) {
          const subject = chosen[(turn + round) % chosen.length]!;
          progress(`echo: ${work.name}, round ${round + 1} of ${rounds}, ${subject.name}`);
          samples.get(subject)!.push(await workers.get(subject)!.ask<Sample>("sample", { work, ms: sampleMs }, 60_000));
        }
      }
      rows.push(...rowsOf(work, samples));
    }
  } finally {
    for (const worker of workers.values()) await worker.stop();
  }
  return [...WORKS.map((work) => sectionOf(work, rows)), targets(rows), libraries(rows)];
}

/** By messages, not by time: a contestant that is slow while its code is cold would be measured cold. */
async function warmUp(worker: Worker, work: Work): Promise<void> {
  const wanted = work.bytes > 1000 ? 5_000 : 20_000;
  const start = performance.now();
  for (let messages = 0; messages < wanted && performance.now() - start < LONGEST_WARM_UP_MS; ) {
    messages += (await worker.ask<Sample>("sample", { work, ms: 200 }, 60_000)).messages;
  }
}

/** Fresh processes, so that what the optimizer learns from one contestant does not slow or help another. */
function startPair({ name, env }: EchoSubject, profile: string | undefined): Promise<Worker> {
  const execArgv = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  return Worker.start(`${name}, client`, new URL("./client-process.js", import.meta.url), [name], {
    ...(env && { env }),
    execArgv,
    core: 0,
  });
}

function rowsOf(work: Work, samples: ReadonlyMap<EchoSubject, readonly Sample[]>): Row[] {
  const rates = (subject: EchoSubject) => samples.get(subject)!.map(({ messages, elapsedMs }) => (messages * 1000) / elapsedMs);
  const stock = [...samples.keys()].find(({ name }) => name === BASE)!;
  const micros = (sample: Sample) => (sample.clientCpuMicros + sample.serverCpuMicros) / sample.messages;
  const base = rates(stock);
  const baseMicros = samples.get(stock)!.map(micros);
  return [...samples].map(([subject, taken]) => {
    const own = rates(subject);
    const messagesPerSecond = median(own);
    return {
      work: work.name,
      subject: subject.name,
      messagesPerSecond,
      spread: (quantile(own, 0.75) - quantile(own, 0.25)) / messagesPerSecond,
      ratio: median(own.map((rate, round) => rate / base[round]!)),
      cpuRatio: median(taken.map((sample, round) => baseMicros[round]! / micros(sample))),
      clientMicros: median(taken.map(({ clientCpuMicros, messages }) => clientCpuMicros / messages)),
      serverMicros: median(taken.map(({ serverCpuMicros, messages }) => serverCpuMicros / messages)),
      rounds: taken.length,
    };
  });
}

function sectionOf(work: Work, rows: readonly Row[]): Section {
  const micros = (value: unknown) => (value as number).toFixed(1);
  const here = rows.filter((row) => row.work === work.name);
  return {
    title: `Echo: ${work.name}`,
    note: pins ? "Client and server have a core of their own each." : "The system chooses the cores.",
    columns: [
      { key: "subject", title: "contestant" },
      { key: "messagesPerSecond", title: "round trips/s", format: short },
      { key: "spread", title: "±", format: percent },
      { key: "ratio", title: "to ws", format: times },
      { key: "cpuRatio", title: "by CPU", format: times },
      { key: "clientMicros", title: "client CPU, µs", format: micros },
      { key: "serverMicros", title: "server CPU, µs", format: micros },
    ],
    rows: here,
    plots: [
      {
        title: `Round trips per second: ${work.name}`,
        bars: here.map(({ subject, messagesPerSecond, ratio }) => ({
          label: subject,
          value: messagesPerSecond,
          text: `${short(messagesPerSecond)}/s, ${times(ratio)}`,
        })),
      },
    ],
  };
}

function targets(rows: readonly Row[]): Section {
  const ratio = (work: Work, subject: string) => rows.find((row) => row.work === work.name && row.subject === subject)?.ratio ?? null;
  const verdict = (got: number | null, wanted: number) => (got === null ? "not measured" : got >= wanted ? "met" : "missed");
  return {
    title: "Echo: framewire to stock ws, beside what is asked",
    columns: [
      { key: "work", title: "work" },
      { key: "ws", title: "ws", format: times },
      { key: "wsTarget", title: "asked", format: times },
      { key: "wsMet", title: "" },
      { key: "tcp", title: "tcp", format: times },
      { key: "tcpTarget", title: "asked", format: times },
      { key: "tcpMet", title: "" },
    ],
    rows: WORKS.map((work) => {
      const ws = ratio(work, "framewire ws");
      const tcp = ratio(work, "framewire tcp");
      return {
        work: work.name,
        ws,
        wsTarget: work.targets.ws,
        wsMet: verdict(ws, work.targets.ws),
        tcp,
        tcpTarget: work.targets.tcp,
        tcpMet: verdict(tcp, work.targets.tcp),
      };
    }),
  };
}

/** Beside the libraries that carry messages or calls as framewire does, not bare bytes. */
function libraries(rows: readonly Row[]): Section {
  return {
    title: "Echo: framewire beside other libraries",
    note: "Asked: faster than the best of them in every row, and 6 times the best with 256 in flight, 64 B.",
    columns: [
      { key: "work", title: "work" },
      { key: "best", title: "best of the others" },
      { key: "rate", title: "round trips/s", format: short },
      { key: "ws", title: "framewire ws", format: times },
      { key: "tcp", title: "framewire tcp", format: times },
    ],
    rows: WORKS.flatMap(({ name }) => {
      const here = rows.filter(({ work }) => work === name);
      const [best] = here.filter(({ subject }) => LIBRARIES.includes(subject)).sort((a, b) => b.messagesPerSecond - a.messagesPerSecond);
      if (best === undefined) return [];
      const to = (subject: string) => (here.find((row) => row.subject === subject)?.messagesPerSecond ?? 0) / best.messagesPerSecond;
      return [{ work: name, best: best.subject, rate: best.messagesPerSecond, ws: to("framewire ws"), tcp: to("framewire tcp") }];
    }),
  };
}
