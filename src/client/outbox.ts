/** What a client needs of a durable outbox. `openOutbox` of `framewire/outbox` gives one. */

import type { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import type { GapEvent } from "../session/events.js";
import type { Journal } from "../session/journal.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";

/** What an outbox has to know of its client: how much it may hold, and which version it asked for. */
export interface OutboxClaim {
  readonly maxQueuedFrames: number;
  readonly maxQueuedBytes: number;
  readonly version?: 1 | 2;
}

/** A journal that outlives its client, and the session with it. */
export interface ClientOutbox extends Journal {
  /** The secret that resumes the session of an earlier client; empty if there is none. */
  readonly token: Uint8Array;
  /** Takes the outbox for one client. `failed` is told when it can keep nothing any more. @throws FramewireError `invalid-option` */
  claim(options: OutboxClaim, failed: (error: FramewireError) => void): void;
  /**
   * The server goes on with the session of an earlier client: it has everything up to `peerReceived`, and this side will
   * not get `missing`. What that means to the connection. @throws FramewireError `protocol-violation` if it cannot be
   */
  startAnew(peerReceived: number, missing: GapEvent | undefined): NonNullable<NegotiatedSettings["resumed"]>;
  /** Counts the attempts to connect, those of earlier clients included. */
  nextAttempt(): number;
  /** The server has welcomed the client: what resumes this session from now on. */
  welcomed(token: Uint8Array): void;
  /** A transport that lets nothing out before what it stands for would survive. */
  guard(transport: Transport): Transport;
  /** Writes down what is left and lets go of it. What was not sent waits for the next client. */
  close(): Promise<void>;
}
