/** `npm run bench -- startup`: what an import adds to the start of a program. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median, quantile } from "../harness.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { percent } from "../report.js";

/** What is imported: framewire as it is built for the package, or packages. */
interface Subject {
  readonly name: string;
  readonly imports: readonly string[];
}

const ROOT = new URL("../../../../", import.meta.url);

const built = (path: string) => [new URL(`dist/${path}`, ROOT).href];

const SUBJECTS: readonly Subject[] = [
  { name: "framewire/client", imports: built("client/index.js") },
  { name: "framewire/server", imports: built("server/index.js") },
  { name: "framewire/codec", imports: built("codec/index.js") },
  { name: "ws", imports: ["ws"] },
  { name: "socket.io-client", imports: ["socket.io-client"] },
  { name: "socket.io", imports: ["socket.io"] },
  { name: "@grpc/grpc-js", imports: ["@grpc/grpc-js"] },
  { name: "nice-grpc", imports: ["nice-grpc"] },
  { name: "connect, connect-node", imports: ["@connectrpc/connect", "@connectrpc/connect-node"] },
  { name: "rsocket-core, its ws client", imports: ["rsocket-core", "rsocket-websocket-client"] },
  { name: "protobufjs", imports: ["protobufjs"] },
];

/** Asked of `framewire/client`. */
const LIMIT_MS = 20;

/** The benchmark of imports. */
export const startupBenchmark: Benchmark = {
  name: "startup",
  summary: "time that importing a library adds to the start of node",
  packages: [...new Set(SUBJECTS.flatMap(({ imports }) => imports).filter((name) => !name.startsWith("file:")))],
  run,
};

/** Milliseconds from the start of the process, and of processor time, when everything is imported. */
interface Start {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const rounds = settings.rounds ?? (quick ? 5 : 21);
  const chosen = SUBJECTS.filter(({ name }) => settings.only === undefined || name.includes(settings.only));
  const nothing: Subject = { name: "node alone", imports: [] };
  const all = [nothing, ...chosen];
  const starts = new Map<Subject, Start[]>(all.map((subject) => [subject, []]));
  await promisify(execFile)(process.execPath, ["scripts/build.mjs"], { cwd: fileURLToPath(ROOT) });
  // The first start of each reads from the disk.
  for (const subject of all) await start(subject);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < all.length; turn++) {
      const subject = all[(turn + round) % all.length]!;
      progress(`startup: round ${round + 1} of ${rounds}, ${subject.name}`);
      starts.get(subject)!.push(await start(subject));
    }
  }
  const bare = starts.get(nothing)!;
  const rows = all.map((subject) => {
    const own = starts.get(subject)!;
    const added = own.map(({ wallMs }, round) => wallMs - bare[round]!.wallMs);
    const wallMs = median(own.map((one) => one.wallMs));
    return {
      subject: subject.name,
      addedMs: subject === nothing ? null : median(added),
      addedCpuMs: subject === nothing ? null : median(own.map(({ cpuMs }, round) => cpuMs - bare[round]!.cpuMs)),
      wallMs,
      spread:
        (quantile(
          own.map((one) => one.wallMs),
          0.75,
        ) -
          quantile(
            own.map((one) => one.wallMs),
            0.25,
          )) /
        wallMs,
    };
  });
  const ms = (value: unknown) => (typeof value === "number" ? value.toFixed(1) : "-");
  return [
    {
      title: "Start-up: what an import adds",
      note: `From the start of the process to the end of the import, less what node takes alone in the same round. Asked of framewire/client: under ${LIMIT_MS} ms.`,
      columns: [
        { key: "subject", title: "import" },
        { key: "addedMs", title: "adds, ms", format: ms },
        { key: "addedCpuMs", title: "CPU, ms", format: ms },
        { key: "wallMs", title: "whole start, ms", format: ms },
        { key: "spread", title: "±", format: percent },
      ],
      rows,
      plots: [
        {
          title: "Milliseconds that an import adds to the start (less is better)",
          bars: rows.flatMap(({ subject, addedMs }) =>
            addedMs === null ? [] : { label: subject, value: addedMs, text: `${addedMs.toFixed(1)} ms` },
          ),
        },
      ],
    },
  ];
}

async function start({ imports }: Subject): Promise<Start> {
  const script = [
    ...imports.map((name) => `await import(${JSON.stringify(name)});`),
    "const wallMs = performance.now(); const { user, system } = process.cpuUsage();",
    "process.stdout.write(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000 }), () => process.exit(0));",
  ].join("\n");
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(ROOT),
    timeout: 30_000,
  });
  return JSON.parse(stdout) as Start;
}
