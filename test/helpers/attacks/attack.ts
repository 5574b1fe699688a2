/** What an attack is, and what is held against it afterwards. */
import { closeCodeOf } from "../../../src/errors.js";
import type { LimitCode, ServerStats } from "../../../src/server/index.js";
import type { Attackers } from "./attackers.js";

export type DisconnectCode = keyof ServerStats["disconnects"];

export interface Attack {
  readonly name: string;
  /** The limits that end it, each of them, or that refuse its calls. */
  readonly limits: readonly LimitCode[];
  /** Limits that may end some of its sockets beside these. */
  readonly alsoLimits?: readonly LimitCode[];
  /** What else its sockets are turned away for, each of them by some. */
  readonly disconnects?: readonly DisconnectCode[];
  /** The close codes that its sockets read, each of them by some. */
  readonly codes: readonly number[];
  /** How it may end beside these. */
  readonly also?: readonly number[];
  /** Its sockets leave by themselves: what counts is what the server holds meanwhile, and how it serves others. */
  readonly leaves?: true;
  /** The server ends its sockets before they are anybody's, and counts no limit. */
  readonly uncounted?: true;
  /** It is the number of its sockets that tells. */
  readonly crowd?: true;
  /** Of one of its frames, with what is around it, where it sends whole ones. */
  readonly frameBytes?: number;
  /** Sockets at full size, and how many do for a short one. */
  readonly sockets: number;
  readonly few: number;
  readonly run: (attackers: Attackers, sockets: number) => Promise<void> | void;
}

export const codesOf = (...limits: readonly Exclude<LimitCode, "resource-exhausted">[]) => limits.map(closeCodeOf);

export interface AttackFigures {
  readonly opened: number;
  readonly closed: number;
  readonly left: number;
  readonly codes: Readonly<Record<number, number>>;
  readonly wrong: readonly string[];
  /** How often the server counted each limit and disconnect meanwhile. */
  readonly limits: Readonly<Partial<Record<LimitCode, number>>>;
  readonly disconnects: Readonly<Partial<Record<DisconnectCode, number>>>;
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, count) => all + count, 0);

/** What of an attack did not end as it has to. */
export function wrongEnds(attack: Attack, seen: AttackFigures): string[] {
  const { limits, alsoLimits = [], disconnects = [], codes, also = [], leaves, uncounted } = attack;
  const wrong: string[] = [...seen.wrong];
  if (seen.closed < seen.opened) wrong.push(`${seen.opened - seen.closed} of ${seen.opened} attackers were still connected`);
  for (const limit of limits) if (!(seen.limits[limit] ?? 0)) wrong.push(`${limit} was not counted`);
  for (const code of disconnects) if (!(seen.disconnects[code] ?? 0)) wrong.push(`${code} was not counted`);
  const expected: readonly string[] = [...limits, ...alsoLimits, ...disconnects];
  for (const [code, count] of Object.entries({ ...seen.limits, ...seen.disconnects })) {
    if (count > 0 && !expected.includes(code)) wrong.push(`ended by ${code}`);
  }
  const { "resource-exhausted": _calls, ...ends } = seen.limits;
  const counted = sum(ends) + sum(seen.disconnects);
  if (!leaves && !uncounted && counted !== seen.opened) wrong.push(`${counted} limits were counted for ${seen.opened} attackers`);
  if (!leaves && seen.left > 0) wrong.push(`${seen.left} attackers left by themselves`);
  for (const code of codes) if (!(seen.codes[code] ?? 0)) wrong.push(`nobody was closed with ${code}`);
  for (const code of Object.keys(seen.codes)) if (![...codes, ...also].includes(Number(code))) wrong.push(`closed with ${code}`);
  return wrong;
}
