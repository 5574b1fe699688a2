/** What the processes of the attacks tell each other. */
import type { ServerStats } from "../../../src/server/index.js";

/** Where the server is. */
export interface Addresses {
  readonly ws: string;
  readonly tcp: string;
}

/** `start` forgets what was the most, `collect` collects garbage; all are answered with the figures. */
export type Question = "start" | "collect" | "look";

export interface ServerFigures {
  /** When they were taken, in milliseconds. */
  readonly at: number;
  /** Resident bytes. */
  readonly rss: number;
  /** The most since `start`. */
  readonly peak: number;
  /** How late the event loop was for a timer of 1 ms since `start`, in milliseconds: in 99 of 100 cases, and at most. */
  readonly late: number;
  readonly latest: number;
  /** Time on the processor, in milliseconds. */
  readonly cpu: number;
  /** Sockets accepted, and bytes read from all of them. */
  readonly accepted: number;
  readonly bytesRead: number;
  readonly stats: ServerStats;
}

export interface PeerFigures {
  readonly opened: number;
  readonly closed: number;
  /** How many were closed with each code. */
  readonly codes: Readonly<Record<number, number>>;
  /** How long half of them were open, and the longest, in milliseconds. */
  readonly median: number;
  readonly longest: number;
  /** Time on the processor from the beginning to the end of the attack, in milliseconds. */
  readonly cpu: number;
}

/** How long each attack goes on at least, in milliseconds. */
export const LEAST_MS = 4000;
