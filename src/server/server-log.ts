/** What a server writes to its log, and at which level. docs/logging.md lists the lines. */

import { invalidFacts } from "../calls/log-facts.js";
import { FramewireError } from "../errors.js";
import { ResumeVerdict, type Welcome } from "../gen/framewire/v1/session.js";
import type { LinkEnd } from "../link/link.js";
import type { TransportInfo } from "../link/transport.js";
import type { Logger } from "../options.js";
import type { Clock } from "../runtime/clock.js";
import { limitedLog } from "../runtime/limited-log.js";
import { failureFacts, failureText, type LogFacts, type WriteLog } from "../runtime/logger.js";
import type { DropEvent, GapEvent, InvalidEvent } from "../session/events.js";
import type { ServerConnection } from "./server-connection.js";
import type { LimitEvent, ServerFailureEvent } from "./server-events.js";

const VERDICTS: Readonly<Partial<Record<ResumeVerdict, string>>> = {
  [ResumeVerdict.RESUME_VERDICT_UNSPECIFIED]: "new session",
  [ResumeVerdict.RESUME_VERDICT_RESUMED]: "resumed",
  [ResumeVerdict.RESUME_VERDICT_GAP]: "resumed with a gap",
  [ResumeVerdict.RESUME_VERDICT_REJECTED]: "rejected",
};

/** Hooks that decide about a client. */
const UNDECIDED: ReadonlySet<string | undefined> = new Set(["authenticate", "sameIdentity"]);
const UNDECIDED_TEXT =
  'a hook failed, and its client will try again; to refuse a client for good, throw a FramewireError "unauthenticated" or "permission-denied"';

/** Why a client is refused that only somebody who changes an option or an address can help. */
const MISCONFIGURED: ReadonlySet<string | undefined> = new Set(["origin-refused", "protocol-mismatch"]);

export class ServerLog {
  readonly #write: WriteLog;
  /** Whether anybody reads lines at debug. Those of single frames are not even built otherwise: there may be tens of thousands a second. */
  readonly #debugs: boolean;

  /** @throws FramewireError `invalid-option` */
  constructor(logger: Logger | false | undefined, clock: Clock) {
    this.#write = limitedLog(logger, clock);
    this.#debugs = logger !== undefined && logger !== false;
  }

  failure(failure: ServerFailureEvent): void {
    const who = failure.connection === undefined ? undefined : whoseLine(failure.connection);
    const text = UNDECIDED.has(failure.hook) ? UNDECIDED_TEXT : failureText(failure);
    this.#write("error", { ...who, ...failureFacts(failure) }, text);
  }

  /** Timeouts are how clients leave that lose their network. */
  limit({ code, message, address, connection }: LimitEvent): void {
    const level = code.endsWith("-timeout") ? "debug" : "warn";
    this.#write(level, { connection: connection?.id, address, code, reason: message }, "a limit was reached");
  }

  gap(connection: ServerConnection, { direction, from, to, reason }: GapEvent): void {
    this.#write("warn", { ...whoseLine(connection), direction, from, to, reason }, "reliable frames were lost for good");
  }

  eviction(connection: ServerConnection): void {
    this.#write("warn", whoseLine(connection), "the session of a client that is away was dropped for lack of room");
  }

  noSubject(): void {
    const hint = "return { identity, subject }, or set `sameIdentity`";
    this.#write(
      "warn",
      { code: "FRAMEWIRE_NO_SUBJECT", hint },
      "a client could not resume its session, as `authenticate` returned no `subject`",
    );
  }

  invalid(connection: ServerConnection, event: InvalidEvent): void {
    if (this.#debugs) this.#write("debug", { ...whoseLine(connection), ...invalidFacts(event) }, "a client sent what cannot be served");
  }

  drop(connection: ServerConnection, { command, reason, policy }: DropEvent): void {
    if (!this.#debugs) return;
    const { id, transport } = connection;
    const facts = { connection: id, address: transport.remoteAddress, method: command, reason, policy };
    this.#write("debug", facts, "a message was dropped");
  }

  // The life of connections and sessions

  accepted({ remoteAddress, kind }: TransportInfo): void {
    this.#write("debug", { address: remoteAddress, transport: kind }, "a socket was accepted");
  }

  /** A peer has said which version it speaks. */
  handshake({ remoteAddress }: TransportInfo, version: 1 | 2, resume: boolean): void {
    this.#write("debug", { address: remoteAddress, version, resume }, "a handshake has begun");
  }

  welcome(connection: ServerConnection, version: 1 | 2, verdict: Welcome["verdict"] = ResumeVerdict.RESUME_VERDICT_UNSPECIFIED): void {
    this.#write("debug", { ...whoseLine(connection), version, session: VERDICTS[verdict] }, "a client is connected");
  }

  refused(end: LinkEnd, { remoteAddress }: TransportInfo): void {
    const facts = { address: remoteAddress, ...endFacts(end) };
    this.#write(MISCONFIGURED.has(facts.code) ? "warn" : "debug", facts, "a client was refused");
  }

  detached(connection: ServerConnection, end: LinkEnd): void {
    this.#write("debug", { ...whoseLine(connection), ...endFacts(end) }, "a connection lost its socket");
  }

  closed(connection: ServerConnection, { code, message }: FramewireError): void {
    this.#write("debug", { ...whoseLine(connection), code, reason: message }, "a session is over");
  }
}

function whoseLine({ id, transport }: ServerConnection): LogFacts {
  return { connection: id, address: transport.remoteAddress };
}

function endFacts({ closeCode, reason, error }: LinkEnd) {
  return { closeCode, code: error instanceof FramewireError ? error.code : undefined, reason };
}
