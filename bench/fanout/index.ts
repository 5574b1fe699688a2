/** `npm run bench -- fanout`: one message to 500 receivers, beside the peers. */
import { median, quantile } from "../harness.js";
import { Worker } from "../processes.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { percent, short, times } from "../report.js";
import type { Sample } from "./receivers-process.js";
import { BASE, BYTES, type FanoutSubject, SUBJECTS } from "./subjects.js";

const RECEIVERS = 500;

/** Broadcasts in each turn of the event loop. */
const BURSTS: readonly number[] = [1, 8];

/** Rate that is asked of framewire, as a multiple of that of a loop over stock ws. */
const TARGETS = { ws: 2.5, tcp: 3.5 };

/** The benchmark of broadcasts. */
export const fanoutBenchmark: Benchmark = {
  name: "fanout",
  summary: `one ${BYTES} B message to ${RECEIVERS} receivers in another process: deliveries per second and CPU time of each side`,
  packages: [...new Set(SUBJECTS.flatMap((subject) => subject.from))],
  run,
};

interface Row {
  readonly [key: string]: string | number;
  readonly burst: number;
  readonly subject: string;
  readonly deliveriesPerSecond: number;
  readonly spread: number;
  /** Median over the rounds of this contestant's rate to that of stock ws in the same round. */
  readonly ratio: number;
  readonly serverMicros: number;
  readonly receiversMicros: number;
  readonly rounds: number;
}

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const rounds = settings.rounds ?? (quick ? 3 : 7);
  const ms = quick ? 250 : 800;
  const chosen = SUBJECTS.filter(({ name }) => name === BASE || settings.only === undefined || name.includes(settings.only));
  const execArgv = settings.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${settings.profile}`];
  const workers = new Map<FanoutSubject, Worker>();
  const rows: Row[] = [];
  const sample = (subject: FanoutSubject, burst: number) => workers.get(subject)!.ask<Sample>("sample", { ms, burst }, 60_000);
  try {
    for (const subject of chosen) {
      progress(`fanout: ${subject.name} warms up`);
      const module = new URL("./receivers-process.js", import.meta.url);
      workers.set(
        subject,
        await Worker.start(`${subject.name}, receivers`, module, [subject.name, String(RECEIVERS)], { execArgv, core: 0 }),
      );
      for (const burst of [...BURSTS, ...BURSTS]) await sample(subject, burst);
    }
    for (const burst of BURSTS) {
      const samples = new Map<FanoutSubject, Sample[]>(chosen.map((subject) => [subject, []]));
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < chosen.length; turn++) {
          const subject = chosen[(turn + round) % chosen.length]!;
          progress(`fanout: ${burst} a turn, round ${round + 1} of ${rounds}, ${subject.name}`);
          samples.get(subject)!.push(await sample(subject, burst));
        }
      }
      rows.push(...rowsOf(burst, samples));
    }
  } finally {
    for (const worker of workers.values()) await worker.stop();
  }
  return BURSTS.map((burst) => sectionOf(burst, rows));
}

function rowsOf(burst: number, samples: ReadonlyMap<FanoutSubject, readonly Sample[]>): Row[] {
  const rates = (taken: readonly Sample[]) => taken.map(({ deliveries, elapsedMs }) => (deliveries * 1000) / elapsedMs);
  const base = rates([...samples].find(([{ name }]) => name === BASE)![1]);
  return [...samples].map(([subject, taken]) => {
    const own = rates(taken);
    const deliveriesPerSecond = median(own);
    return {
      burst,
      subject: subject.name,
      deliveriesPerSecond,
      spread: (quantile(own, 0.75) - quantile(own, 0.25)) / deliveriesPerSecond,
      ratio: median(own.map((rate, round) => rate / base[round]!)),
      serverMicros: median(taken.map(({ serverCpuMicros, deliveries }) => serverCpuMicros / deliveries)),
      receiversMicros: median(taken.map(({ receiversCpuMicros, deliveries }) => receiversCpuMicros / deliveries)),
      rounds: taken.length,
    };
  });
}

function sectionOf(burst: number, rows: readonly Row[]): Section {
  const micros = (value: unknown) => (value as number).toFixed(2);
  const here = rows.filter((row) => row.burst === burst);
  return {
    title: `Fan-out: ${BYTES} B to ${RECEIVERS} receivers, ${burst === 1 ? "one broadcast" : `${burst} broadcasts`} in a turn of the event loop`,
    note: `Asked of framewire: ${TARGETS.ws} times ws over WebSocket, ${TARGETS.tcp} times over TCP.`,
    columns: [
      { key: "subject", title: "contestant" },
      { key: "deliveriesPerSecond", title: "deliveries/s", format: short },
      { key: "spread", title: "±", format: percent },
      { key: "ratio", title: "to ws", format: times },
      { key: "serverMicros", title: "server CPU, µs", format: micros },
      { key: "receiversMicros", title: "receiver CPU, µs", format: micros },
    ],
    rows: here,
    plots: [
      {
        title: `Deliveries per second to ${RECEIVERS} receivers, ${burst === 1 ? "one broadcast" : `${burst} broadcasts`} in a turn`,
        bars: here.map(({ subject, deliveriesPerSecond, ratio }) => ({
          label: subject,
          value: deliveriesPerSecond,
          text: `${short(deliveriesPerSecond)}/s, ${times(ratio)}`,
        })),
      },
    ],
  };
}
