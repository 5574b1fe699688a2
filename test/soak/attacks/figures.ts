/** What the processes of the attacks tell each other. */
import type { ServerStats } from "../../../src/server/index.js";

/** The name of no attack: the attackers flood a server of their own. */
export const BUSY = "none, but a busy machine";

/** Where the server is. */
export interface Addresses {
  readonly ws: string;
  readonly tcp: string;
}

/** `start` forgets the peak, `collect` collects garbage; all are answered with the figures. */
export type Question = "start" | "collect";

export interface ServerFigures {
  /** Resident bytes. */
  readonly rss: number;
  /** The most since `start`. */
  readonly peak: number;
  readonly stats: ServerStats;
}

export interface PeerFigures {
  readonly opened: number;
  readonly closed: number;
  /** That the server's side took. */
  readonly bytes: number;
  /** How many were closed with each code. */
  readonly codes: Readonly<Record<number, number>>;
  /** How long half of them were open, and the longest, in milliseconds. */
  readonly median: number;
  readonly longest: number;
}
