/** Keeps frames beyond the end of this process. A connection tells its journal what becomes of them. */

import type { Outgoing } from "./outgoing.js";
import type { SequenceRange } from "./receive-sequence.js";

/** What a connection needs of a durable outbox. */
export interface Journal {
  /** Number for the first call: none below it was kept free. */
  readonly firstCallId: number;
  /** A call gets this number. */
  usesCallId(callId: number): void;
  /**
   * Takes a frame in, whose payload is encoded, marks it as kept and has it posted; forgets it if that throws.
   * @throws FramewireError `queue-full`, `connection-closed`; whatever `post` throws
   */
  accept(frame: Outgoing, post: () => void): void;
  /** Resolves when all that was taken in would survive the end of this process. Rejects with `outbox-failed`. */
  written(): Promise<void>;
  /** A frame that was taken in is about to leave with this sequence. */
  numbered(frame: Outgoing, sequence: number): void;
  /** The peer has everything up to `sequence`. */
  acknowledged(sequence: number): void;
  /** The frame will not be sent: nobody wants it any more. */
  withdrawn(frame: Outgoing): void;
  /** The frame is too large for the peer and stays, out of the way: `reclaim` and `restart` give it again. */
  setAside(frame: Outgoing): void;
  /** Gives the frames that were set aside: the peer takes larger ones now. */
  reclaim(): Outgoing[];
  /** Sequences start anew behind `received`, the last that the peer has. Gives the frames to be sent, oldest first: those behind it, and those of an earlier process. */
  restart(received: number): Outgoing[];
  /** The peer has gone past this range without having it. Gives the frames out of it, to be sent under new numbers. */
  lost(range: SequenceRange): Outgoing[];
}
