/** What the processes of the attacks tell each other. */
import type { ServerStats } from "../../../src/server/index.js";

/** `start` forgets what was the most, `collect` collects garbage; all are answered with the figures. */
export type Question = "start" | "collect" | "look";

/** Memory of a process, in bytes. */
export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  /** Outside of V8's heap, the storage of buffers included. */
  readonly external: number;
}

export interface ServerFigures {
  /** When they were taken, in milliseconds. */
  readonly at: number;
  readonly memory: Memory;
  /** The most of each since `start`, and the most on the server's account of what it holds. */
  readonly peak: Memory & { readonly heldBytes: number };
  /** How late the event loop was for a timer of 1 ms since `start`, in milliseconds: in 99 of 100 cases, and at most. */
  readonly late: number;
  readonly latest: number;
  /** Time on the processor, in milliseconds. */
  readonly cpu: number;
  /** Sockets accepted, and bytes read from all of them. */
  readonly accepted: number;
  readonly bytesRead: number;
  /** Handlers of the slow command at once, at most since the start. */
  readonly handlers: number;
  readonly stats: ServerStats;
}

/** What the attackers are told: which attacks, for how long each goes on at least, and whether they are repeated until they are told to stop. */
export interface AttackOrder {
  readonly names: readonly string[];
  readonly lastingMs: number;
  /** Sockets in relation to the full size; few for a fleet of attacks at once. */
  readonly share: number;
  readonly repeat: boolean;
}

/** What came of one attack, or of all its repetitions so far. */
export interface PeerFigures {
  readonly runs: number;
  readonly opened: number;
  readonly closed: number;
  /** Those of `closed` that left by themselves. */
  readonly left: number;
  /** How many the server closed with each code. */
  readonly codes: Readonly<Record<number, number>>;
  /** What the attack itself saw that must not be. */
  readonly wrong: readonly string[];
  /** How long half of them were open, and the longest, in milliseconds; of the last run. */
  readonly median: number;
  readonly longest: number;
  /** Time on the processor from the beginning to the end of the attack, in milliseconds. */
  readonly cpu: number;
}

/** How long each attack goes on at least, in milliseconds. */
export const LEAST_MS = 4000;
