/**
 * `npm run soak -- NAME [--runs N] [--first SEED] …`: long runs, with figures. Each exits with 1 at what must not be, and says the seed
 * that brings it back; with 2 if there is no such run or option.
 */
import { Argument } from "commander";
import { soakDecoder } from "../fuzz/soak.js";
import { ATTACKS } from "../helpers/attacks/index.js";
import { commandLine, positive, whole } from "../helpers/command-line.js";
import { soakAttacks } from "./attacks/index.js";
import { soakBytes } from "./bytes.js";
import { soakFleet } from "./fleet.js";
import { soakLosses } from "./losses.js";
import { soakNamespaces } from "./namespaces.js";
import { soakNetworks } from "./networks.js";
import { soakNoise } from "./noise.js";
import { soakResume } from "./resume.js";
import { soakSessions } from "./sessions.js";
import { soakSiege } from "./siege.js";

/** The value of an option of the soak. */
export type Numbers = (option: string) => number;

/** Runs and prints its figures; gives what went wrong. `names`: what stands after its own name. */
export type Soak = (number: Numbers, names: readonly string[]) => Promise<string[]>;

interface SoakCommand {
  readonly run: Soak;
  readonly about: string;
  /** The default of each of its options. */
  readonly defaults?: Readonly<Record<string, number>>;
  /** What its arguments may be. */
  readonly names?: readonly string[];
}

/** What the options are, and how they are read. */
const OPTIONS: Readonly<Record<string, readonly [value: string, what: string, parse: (text: string) => number]>> = {
  runs: ["n", "how many runs, a seed each", whole(1)],
  first: ["seed", "the first seed: of a run that failed, to repeat it", whole(0)],
  streams: ["n", "how many streams, a seed each", whole(1)],
  step: ["n", "every n-th byte", whole(1)],
  frames: ["n", "messages each way", whole(1)],
  cuts: ["n", "cuts of the link, at least", whole(0)],
  clients: ["n", "clients", whole(1)],
  seconds: ["n", "how long", positive],
  share: ["part", "of each attack's sockets", positive],
};

const attackNames = ATTACKS.map(({ name }) => name);

const SOAKS: Readonly<Record<string, SoakCommand>> = {
  decoder: { run: soakDecoder, about: "damaged streams and wild ones", defaults: { streams: 3000, first: 1 } },
  sessions: { run: soakSessions, about: "seeded sessions in memory, links break at random bytes", defaults: { runs: 1000, first: 1 } },
  losses: {
    run: soakLosses,
    about: "the same where little is kept, or for too short, or servers forget: every loss is told",
    defaults: { runs: 1000, first: 1 },
  },
  bytes: { run: soakBytes, about: "one session, broken, silenced and damaged at every single byte", defaults: { step: 1 } },
  resume: {
    run: soakResume,
    about: "over TCP and WebSocket through a proxy that cuts",
    defaults: { frames: 50_000, cuts: 200, first: 1 },
  },
  noise: { run: soakNoise, about: "over TCP with one wrong byte in 10,000, and with far more", defaults: { frames: 20_000, first: 1 } },
  attacks: {
    run: soakAttacks,
    about: "a server under attack, and what its good clients notice; a quarter of an hour",
    names: attackNames,
  },
  siege: {
    run: soakSiege,
    about: "all attacks at once on one server with 200 good clients, a line each minute",
    defaults: { seconds: 3600, share: 0.2 },
    names: attackNames,
  },
  networks: { run: soakNetworks, about: "3G, Wi-Fi, tunnels and new addresses, in virtual time", defaults: { runs: 10, first: 1 } },
  namespaces: { run: soakNamespaces, about: "a real network whose link goes down or whose address changes; Linux, as root" },
  fleet: { run: soakFleet, about: "clients that lose their server together", defaults: { clients: 5000, first: 1 } },
};

const program = commandLine("npm run soak --", "Long runs, with figures. `npm run soak -- NAME --help` shows the options of one.");
for (const [name, { run, about, defaults = {}, names }] of Object.entries(SOAKS)) {
  const shown = Object.entries(defaults).map(([option, value]) => `--${option} ${value}`);
  const command = program
    .command(name)
    .description(about)
    .summary(shown.length === 0 ? about : `${about} (${shown.join(", ")})`)
    .allowExcessArguments(false);
  for (const [option, value] of Object.entries(defaults)) {
    const [placeholder, what, parse] = OPTIONS[option] as (typeof OPTIONS)[string];
    command.option(`--${option} <${placeholder}>`, what, parse, value);
  }
  if (names !== undefined) command.addArgument(new Argument("[names...]", "only these").choices(names));
  command.action(async () => {
    const values: Readonly<Record<string, number>> = command.opts();
    const wrong = await run((option) => values[option] as number, command.args);
    for (const each of wrong) console.error(each);
    console.log(wrong.length === 0 ? `${name}: all holds` : `${name}: ${wrong.length} things are wrong`);
    process.exit(wrong.length === 0 ? 0 : 1);
  });
}
if (process.argv.length === 2) program.outputHelp();
else await program.parseAsync();
