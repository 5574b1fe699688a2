/** Attacks on the sessions of others: tokens that were stolen, and room that is taken away. */
import { setTimeout as sleep } from "node:timers/promises";
import { ResumeVerdict } from "../../../src/gen/framewire/v1/session.js";
import { seededFrame } from "../raw-peer.js";
import type { Attack } from "./attack.js";
import { TAKE } from "./attacked-server.js";
import { type Attackers, NO_WORD } from "./attackers.js";

const LAST_ATTEMPT = 0xffff_ffff;
/** Owners of sessions, each with an address that no attacker uses, and the address that attacks them. */
const OWNERS = 20;
const addressOf = (owner: number) => `127.1.0.${1 + (owner % OWNERS)}`;
const ATTACKER = "127.1.1.1";

const credentials = (name: string) => Buffer.from(name);
const resume = (token: Uint8Array, received: bigint, attempt: number) => ({ token, received, oldest: 2n, restarted: false, attempt });

interface Abandoned {
  readonly token: Uint8Array;
  /** It is kept until then, by `performance.now()`. */
  readonly until: number;
}

/** A session of `name` in which one message was sent, and whose client is away. */
async function abandoned(attackers: Attackers, owner: number, name: string): Promise<Abandoned> {
  const { socket, welcome } = await attackers.welcomed(addressOf(owner), { credentials: credentials(name) });
  socket.write(seededFrame({ cmd: TAKE, sequence: 1n }));
  await sleep(10);
  attackers.drop(socket);
  return { token: welcome?.token ?? new Uint8Array(0), until: performance.now() + (welcome?.resumeWindowMs ?? 0) };
}

/** What was under way when the socket broke may be lost, and is told as a gap. */
function goesOn(verdict: ResumeVerdict | undefined): boolean {
  return verdict === ResumeVerdict.RESUME_VERDICT_RESUMED || verdict === ResumeVerdict.RESUME_VERDICT_GAP;
}

/**
 * Whether `name` is refused its session before its time. Where many attacks run at once a handshake may come too late, and an attack may take
 * longer than the resume window: neither says anything of a session.
 */
async function losesIt(attackers: Attackers, owner: number, name: string, { token, until }: Abandoned): Promise<boolean> {
  if (token.length === 0) return false;
  const { socket, welcome } = await attackers.welcomed(addressOf(owner), { credentials: credentials(name), resume: resume(token, 0n, 2) });
  attackers.drop(socket);
  return welcome !== undefined && !goesOn(welcome.verdict) && performance.now() < until;
}

export const THIEVES: readonly Attack[] = [
  {
    name: "stolen tokens",
    limits: [],
    codes: [],
    also: [NO_WORD],
    leaves: true,
    sockets: 1200,
    few: 9,
    // A thief shows the owner's token with credentials of its own and the last attempt there is; then the owner comes back.
    async run(attackers, sockets) {
      for (let i = 0; i < sockets / 3; i++) {
        const owner = `owner ${i}`;
        const session = await abandoned(attackers, i, owner);
        const thief = await attackers.welcomed(ATTACKER, {
          credentials: credentials(`thief ${i}`),
          resume: resume(session.token, 0n, LAST_ATTEMPT),
        });
        if (goesOn(thief.welcome?.verdict)) attackers.wrong.add("a thief went on with another's session");
        if (await losesIt(attackers, i, owner, session)) attackers.wrong.add("an owner did not get its session back");
        attackers.drop(thief.socket);
      }
    },
  },
  {
    name: "hellos that evict sessions",
    crowd: true,
    limits: [],
    codes: [],
    also: [NO_WORD],
    leaves: true,
    sockets: 10_050,
    few: 150,
    // More sessions from one address than the server keeps for all whose clients are away.
    async run(attackers, sockets) {
      const sessions: Abandoned[] = [];
      for (let i = 0; i < OWNERS; i++) sessions.push(await abandoned(attackers, i, `owner ${i}`));
      let next = 0;
      const one = async (): Promise<void> => {
        while (next++ < sockets)
          attackers.drop((await attackers.welcomed(ATTACKER, { credentials: credentials(`nobody ${next}`) })).socket);
      };
      await Promise.all(Array.from({ length: 20 }, one));
      for (const [i, session] of sessions.entries()) {
        if (await losesIt(attackers, i, `owner ${i}`, session)) attackers.wrong.add("an owner's session was evicted by another address");
      }
    },
  },
];
