/** What a case is. */
import type { Kit, Profile } from "./kit.js";

export interface Case {
  /** Its number: the hundreds are its group. Numbers are never given to another case. */
  readonly number: number;
  /** The fact that it shows. */
  readonly name: string;
  /** Section of docs/wire.md that says so. */
  readonly section: string;
  /** Wire version; default 2. */
  readonly version?: 1 | 2;
  /** Only with peers of this role. */
  readonly peer?: "client" | "server";
  /** Only over this transport. */
  readonly over?: "tcp" | "ws";
  /** Shows something of sequences that a minimal peer may leave out: docs/wire.md section 8.2. */
  readonly full?: true;
  /** The page only advises it: a peer that does otherwise is told, and passes. */
  readonly advice?: true;
  readonly run: (kit: Kit) => Promise<void>;
}

/** Whether a case is for peers of this profile. */
export function isFor({ number, full }: Case, profile: Profile): boolean {
  return profile === "full" || (full !== true && Math.floor(number / 100) !== RESUME_GROUP);
}

const RESUME_GROUP = 7;

/** What the hundreds of the numbers stand for. */
export const GROUPS: Readonly<Record<number, string>> = {
  1: "framing",
  2: "negotiation",
  3: "calls",
  4: "streams",
  5: "liveness",
  6: "sequences",
  7: "resume",
  8: "version 1",
};
