/** What a client writes to its log, and at which level. docs/logging.md lists the lines. */

import { dropFacts, invalidFacts } from "../calls/log-facts.js";
import type { EventSink } from "../runtime/emitter.js";
import { failureFacts, failureText, type WriteLog } from "../runtime/logger.js";
import type { ConnectionEvents } from "../session/events.js";
import type { StateDetail } from "./lifecycle.js";
import type { ClientState } from "./reconnect.js";

/** What writes a client's lines. */
export interface ClientLog {
  readonly sink: EventSink<ConnectionEvents>;
  /** The state is another one. */
  moved(state: ClientState, detail: StateDetail): void;
}

/** An event with what goes with it. */
type Told = { [E in keyof ConnectionEvents]: [E, ...ConnectionEvents[E]] }[keyof ConnectionEvents];

/** Writes the events of a client's connection, and its states; `url` is where it connects to, as it may be shown. */
export function clientLog(write: WriteLog, url: string): ClientLog {
  const sink: EventSink<ConnectionEvents> = {
    wants: () => false,
    heard(...told: unknown[]) {
      const [event, detail] = told as unknown as Told;
      if (event === "failure") write("error", failureFacts(detail), failureText(detail));
      else if (event === "gap") write("warn", { ...detail }, "reliable frames were lost for good");
      else if (event === "limit") write("warn", { code: detail.code, reason: detail.message }, "a limit was reached");
      else if (event === "drop") write("debug", dropFacts(detail), "a message was dropped");
      else if (event === "invalid") write("debug", invalidFacts(detail), "the server sent what cannot be served");
      else if (event === "goaway") write("debug", { reason: detail.reason }, "the server will close the connection");
    },
  };
  return { sink, moved: (state, detail) => logState(write, url, state, detail) };
}

/**
 * The state is another one. A client that gives up is worth a warning, if it was not closed by its application, and so is the first attempt
 * that no server has answered: a client that never gives up would not tell of a wrong address otherwise.
 */
function logState(write: WriteLog, url: string, state: ClientState, { error, ...detail }: StateDetail): void {
  const gaveUp = state === "disconnected" && error?.code !== "connection-closed";
  const warn = gaveUp || (detail.retries === 1 && detail.closeCode === undefined);
  write(warn ? "warn" : "debug", { url, state, ...detail, code: error?.code }, gaveUp ? "the client has given up" : "the client's state");
}
