/** The calls of this side that the peer serves, and how many it takes at once. */
import type { Outgoing } from "./outgoing.js";

export class CallsInFlight {
  #count = 0;
  /** How many the peer takes. */
  most = Number.POSITIVE_INFINITY;
  /** Those that an earlier process has made, by number. */
  #earlier: Map<number, Outgoing> | undefined;

  /** Whether the peer takes no more. */
  get full(): boolean {
    return this.#count >= this.most;
  }

  /** A request goes out. */
  add(request: Outgoing): void {
    if (request.counted) return;
    request.counted = true;
    this.#count++;
    if (request.owner !== undefined || request.callId === undefined) return;
    this.#earlier ??= new Map();
    this.#earlier.set(request.callId, request);
  }

  /** A request is no longer at the peer: its call has ended, or it will be sent again. False: it was not counted. */
  remove(request: Outgoing): boolean {
    if (!request.counted) return false;
    request.counted = false;
    this.#count--;
    return true;
  }

  /** The request of an earlier process with this number, which is then forgotten. */
  takeEarlier(callId: number): Outgoing | undefined {
    const request = this.#earlier?.get(callId);
    this.#earlier?.delete(callId);
    return request;
  }

  /** A new session knows nothing of the calls of an earlier process. */
  dropEarlier(): void {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    if (earlier !== undefined) for (const request of earlier.values()) this.remove(request);
  }
}
