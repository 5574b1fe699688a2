/** The processes of the attacks, each on its core. In earnest attackers have machines of their own, and take no time of the server's. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { pin, pins } from "../../../bench/processes.js";
import type { ServerOptions } from "../../../src/server/index.js";
import type { Addresses } from "../../helpers/attacks/attacked-server.js";
import type { AttackOrder, PeerFigures, Question, ServerFigures } from "./figures.js";

const HIGHEST = -20;
const SERVERS_CORE = 0;
/** That of the good clients, which are in this process, of the attackers, and of who else takes their time. */
const OTHERS_CORE = 1;

export const WHERE = pins
  ? `The server has core ${SERVERS_CORE} to itself; good clients and attackers are on core ${OTHERS_CORE}, the attackers for as long as nobody else wants it.`
  : "All processes share all cores, as there are no two, or no taskset and chrt: how late the good clients are served is shown and not judged.";

/** Puts this process where it belongs; its children too, until they are put elsewhere. */
export function placeThis(): void {
  pin(process.pid, OTHERS_CORE, "--all-tasks");
}

/**
 * Whatever else this machine does comes behind this process, where that is allowed: only the superuser may. The good clients come before
 * the threads that help a server collect its garbage, which are on their core, and those before everybody else: the server waits for them.
 * Its main thread is not of the kind that runs whenever it wants to, as the kernel takes every twentieth part of a second from those.
 */
export function raiseThis(role: "server" | "good clients"): void {
  const change = (...options: readonly string[]) => spawnSync("chrt", [...options, String(process.pid)]);
  change("--all-tasks", "--rr", "--pid", role === "server" ? "1" : "2");
  if (role !== "server") return;
  change("--other", "--pid", "0");
  try {
    setPriority(HIGHEST);
  } catch {
    // Not the superuser.
  }
}

/** All threads of an attacker run when nobody else wants to: a process that is merely nice keeps the others waiting for up to 10 ms. */
const IDLE = ["--idle", "0", process.execPath];

const started: ChildProcess[] = [];

/** Ends all of them. */
export function endProcesses(): void {
  for (const process of started) process.kill();
}

function start(module: string, args: readonly string[], attacks: boolean, nodeOptions: readonly string[] = []): ChildProcess {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const process =
    !attacks || !pins
      ? fork(path, args, { execArgv: [...nodeOptions] })
      : fork(path, args, { execPath: "chrt", execArgv: [...IDLE, ...nodeOptions] });
  started.push(process);
  return process;
}

/** How much heap a server has, in MiB: it has to do with little. */
export const HEAP_MIB = 256;

/** The next message of a process. Rejects if it ends first. */
function answer(process: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null) => reject(new Error(`${name} ended with ${signal ?? code}`));
    process.once("exit", ended);
    process.once("message", (message) => {
      process.off("exit", ended);
      resolve(message);
    });
  });
}

export class ServerProcess {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly addresses: Addresses;
  /** Rejects when it ends by itself. */
  readonly died: Promise<never>;
  #stopped = false;

  private constructor(process: ChildProcess, name: string, addresses: Addresses) {
    this.#process = process;
    this.died = new Promise((_resolve, reject) => {
      process.once("exit", (code, signal) => this.#stopped || reject(new Error(`${name} ended with ${signal ?? code}`)));
    });
    this.died.catch(() => {});
    this.#name = name;
    this.addresses = addresses;
  }

  /**
   * `target`: the one that is attacked, on a core of its own. `decoy`: one that nobody but attackers knows, on their core and at their
   * priority. `besieged`: one that takes what cores there are.
   */
  static async start(role: "target" | "decoy" | "besieged", options: ServerOptions = {}): Promise<ServerProcess> {
    const nodeOptions = ["--expose-gc", `--max-old-space-size=${HEAP_MIB}`];
    const process = start("server-process.js", [role, JSON.stringify(options)], role === "decoy", nodeOptions);
    const name = `the server (${role})`;
    const addresses = (await answer(process, name)) as Addresses;
    // Its main thread: those that help the garbage collector have other cores in earnest, and would take this one for 10 ms at a time.
    if (role === "target") pin(process.pid, SERVERS_CORE);
    return new ServerProcess(process, name, addresses);
  }

  async ask(question: Question): Promise<ServerFigures> {
    const answered = answer(this.#process, this.#name);
    this.#process.send(question, () => {});
    return (await answered) as ServerFigures;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#process.connected) this.#process.disconnect();
  }
}

/** The attackers of one attack or of several. */
export class AttackProcess {
  readonly #process: ChildProcess;

  constructor(addresses: Addresses, order: AttackOrder) {
    this.#process = start("peers-process.js", [JSON.stringify(addresses), JSON.stringify(order)], true);
  }

  /** Attacks. Resolves with the figures of each attack when all attackers are gone. */
  async run(): Promise<Readonly<Record<string, PeerFigures>>> {
    this.begin();
    return this.figures();
  }

  /** Attacks over and over, until `stop`. */
  begin(): void {
    this.#process.send("begin");
  }

  /** Begins nothing more. Resolves with the figures when what was begun is over. */
  stop(): Promise<Readonly<Record<string, PeerFigures>>> {
    const figures = this.figures();
    this.#process.send("stop");
    return figures;
  }

  async figures(): Promise<Readonly<Record<string, PeerFigures>>> {
    return (await answer(this.#process, "an attacker")) as Readonly<Record<string, PeerFigures>>;
  }
}
