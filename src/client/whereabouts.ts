/** Why a client has no connection, for the errors of calls that wait for one. */
import type { Emitter } from "../runtime/emitter.js";
import type { StateDetail } from "./lifecycle.js";
import type { ClientState } from "./reconnect.js";

/** Follows the states of a client; gives what describes the one that it is in. */
export function whereabouts(events: Emitter<{ state: [ClientState, StateDetail] }>): () => string {
  let state: ClientState | undefined;
  let connected = false;
  let reason: string | undefined;
  events.on("state", (next, detail) => {
    state = next;
    if (next === "connected") connected = true;
    if (next === "connected") reason = undefined;
    else if (detail.error !== undefined) reason = detail.reason;
  });
  return () => {
    if (state === undefined) return "the client was never connected: connect() was not called";
    const why = reason === undefined ? state : `${state}: ${reason}`;
    return `the client ${connected ? "is no longer" : "was never"} connected (${why})`;
  };
}
