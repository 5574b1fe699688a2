/** Answers a client that asks to resume its session. docs/wire.md section 5.7. */

import { type Gap, type ResumeRequest, ResumeVerdict, type Welcome } from "../gen/framewire/v1/session.js";
import { ACKNOWLEDGED } from "../session/handshake.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import type { SequenceRange } from "../session/receive-sequence.js";
import type { ReplayBuffer } from "../session/replay-buffer.js";

/** What the server has of the session. */
export interface SessionState {
  /** Highest sequence received with none missing before it. */
  readonly received: number;
  /** What was sent and is not acknowledged. */
  readonly replay: ReplayBuffer;
  /** What the last welcome reported as lost on the way here; `undefined` once a frame of the client has shown that the welcome arrived. */
  readonly unreported: SequenceRange | undefined;
}

/** What the welcome says of the resume, and the state from which this side continues. */
export interface Resumption {
  readonly welcome: Pick<Welcome, "verdict" | "received" | "toClient" | "toServer">;
  readonly resumed: NonNullable<NegotiatedSettings["resumed"]>;
}

/** The part of a welcome that opens a new session. */
export function newSession(requested: boolean): Resumption["welcome"] {
  const verdict = requested ? ResumeVerdict.RESUME_VERDICT_REJECTED : ResumeVerdict.RESUME_VERDICT_UNSPECIFIED;
  return { verdict, received: 0n, toClient: undefined, toServer: undefined };
}

/** Compares what both sides have. `undefined` if the client's numbers are impossible: then the session is not resumed. */
export function resume(state: SessionState, request: ResumeRequest): Resumption | undefined {
  if (request.restarted) return resumeAnew(state);
  const { received, replay, unreported } = state;
  const peerReceived = Number(request.received);
  const oldest = Number(request.oldest);
  if (!(peerReceived < replay.next) || !(oldest >= 1 && oldest <= Number.MAX_SAFE_INTEGER)) return undefined;
  const lostOut = replay.missingAfter(peerReceived);
  const lostIn = oldest > received + 1 ? { from: received + 1, to: oldest - 1 } : undefined;
  const toServer = unreported ? { from: unreported.from, to: lostIn?.to ?? unreported.to } : lostIn;
  return {
    welcome: {
      verdict: toServer || lostOut ? ResumeVerdict.RESUME_VERDICT_GAP : ResumeVerdict.RESUME_VERDICT_RESUMED,
      received: BigInt(lostIn?.to ?? received),
      toClient: lostOut && gap(lostOut),
      toServer: toServer && gap(toServer),
    },
    resumed: {
      peerReceived: lostOut?.to ?? peerReceived,
      lostIn: lostIn && { direction: "in", ...lostIn, reason: EVICTED },
      lostOut: lostOut && { direction: "out", ...lostOut, reason: EVICTED },
    },
  };
}

/** The client kept nothing of what it received. It continues after the last frame that it acknowledged, which only this side knows. */
function resumeAnew({ received, replay }: SessionState): Resumption {
  const lost = replay.missingAfter(replay.acked);
  const had = replay.acked > 0 ? { from: 1, to: replay.acked } : undefined;
  const toClient = lost === undefined ? had && gap(had, ACKNOWLEDGED) : gap(lost);
  return {
    welcome: {
      verdict: toClient === undefined ? ResumeVerdict.RESUME_VERDICT_RESUMED : ResumeVerdict.RESUME_VERDICT_GAP,
      received: BigInt(received),
      toClient,
      toServer: undefined,
    },
    resumed: {
      peerReceived: lost?.to ?? replay.acked,
      lostOut: lost && { direction: "out", ...lost, reason: EVICTED },
      restarted: { side: "peer" },
    },
  };
}

const EVICTED = "evicted";

function gap({ from, to }: SequenceRange, reason = EVICTED): Gap {
  return { from: BigInt(from), to: BigInt(to), reason };
}
