import type { GapEvent } from "./events.js";

/** What the two ends agreed on in the handshake. */
export interface NegotiatedSettings {
  readonly version: 1 | 2;
  /** Largest payload that the peer takes. */
  readonly maxPayload: number;
  /** Largest trailer that the peer takes, its checksum included. */
  readonly maxTrailer: number;
  /** Calls of this side that the peer serves at once. */
  readonly maxCalls: number;
  /** Credit that the peer gives each stream to start with. */
  readonly initialCredit: number;
  /** The session can be resumed on another link. */
  readonly resumable: boolean;
  /** Present if the session goes on from an earlier link: what the peer has of ours. Absent: a new session. */
  readonly resumed?: {
    readonly peerReceived: number;
    readonly lostIn?: GapEvent | undefined;
    readonly lostOut?: GapEvent | undefined;
    /** Set if one side has started anew and knows nothing of the session's calls. If it is this one: what it has acknowledged to the peer before. */
    readonly restarted?: { readonly side: "own"; readonly received: number } | { readonly side: "peer" };
  };
}
