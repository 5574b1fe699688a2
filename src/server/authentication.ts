/** What `authenticate` returns, and whether the client of a resume is the one that the session belongs to. */

import { FramewireError } from "../errors.js";
import type { TransportInfo } from "../link/transport.js";
import { handled, pending } from "../runtime/guard.js";

/** What an `authenticate` hook returns for a client that may connect. */
export interface Authentication {
  /** What handlers see as `connection.identity`. */
  readonly identity?: unknown;
  /**
   * Names the client: the same string for the same user on every connection, such as a user id. A resume must have the
   * subject of its session. Without one the session cannot be resumed.
   */
  readonly subject?: string | undefined;
}

/** The client of a session, or the one that wants to resume it. */
export interface SessionOwner extends Authentication {
  /** The socket: of a session, the one in use or the last one that was. */
  readonly transport: TransportInfo;
}

/** Decides whether `current`, which has the token of a session, may resume it from `previous`. */
export type SameIdentity = (previous: SessionOwner, current: SessionOwner) => boolean;

const FORM = "it must return { identity, subject } or throw";
const FIELDS: ReadonlySet<string> = new Set<keyof Authentication>(["identity", "subject"]);

/** Returns what the hook returned, if it has the form of an {@link Authentication}. @throws FramewireError `invalid-option` */
export function checkAuthentication(result: unknown): Authentication {
  if (typeof result !== "object" || result === null || Array.isArray(result)) throw malformed(`returned ${kindOf(result)}`);
  for (const field of Object.keys(result)) if (!FIELDS.has(field)) throw malformed(`returned an object with the field ${field}`);
  const { identity, subject } = result as { readonly identity?: unknown; readonly subject?: unknown };
  if (subject === undefined || (typeof subject === "string" && subject !== "")) return { identity, subject };
  throw malformed(`returned ${kindOf(subject)} as the subject, which must be a string and not empty`);
}

/** The rule without `sameIdentity`: the same subject, the same certificate subject if there was one, and TLS if there was TLS. */
export function sameSubject(previous: SessionOwner, current: SessionOwner): boolean {
  const certificate = previous.transport.certificate?.subject;
  return (
    previous.subject !== undefined &&
    previous.subject === current.subject &&
    (certificate === undefined || certificate === current.transport.certificate?.subject) &&
    (previous.transport.secure !== true || current.transport.secure === true)
  );
}

/** Decides who may resume the sessions of a server. */
export class ResumeRule {
  readonly #authenticates: boolean;
  readonly #sameIdentity: SameIdentity | undefined;
  #noSubject: (() => void) | undefined;

  /** `noSubject` is called the first time that a resume fails for want of a subject. */
  constructor(
    { authenticate, sameIdentity }: { readonly authenticate?: unknown; readonly sameIdentity?: SameIdentity },
    noSubject: () => void,
  ) {
    this.#authenticates = authenticate !== undefined;
    this.#sameIdentity = sameIdentity;
    this.#noSubject = noSubject;
  }

  /** Whether `current`, which has shown the token of the session of `previous`, may resume it. */
  allows(previous: SessionOwner, current: SessionOwner): boolean {
    if (this.#sameIdentity !== undefined) {
      const verdict: unknown = this.#sameIdentity(previous, current);
      const late = pending(verdict);
      if (late !== undefined) handled(late);
      // Compared with true: a promise must not let everybody in.
      return verdict === true;
    }
    if (!this.#authenticates) return true;
    if (previous.subject === undefined || current.subject === undefined) this.#warn();
    return sameSubject(previous, current);
  }

  #warn(): void {
    this.#noSubject?.();
    this.#noSubject = undefined;
  }
}

function malformed(what: string): FramewireError {
  return new FramewireError("invalid-option", `authenticate ${what}; ${FORM}`);
}

/** The type of a value. Its content may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (value === "") return "an empty string";
  return Array.isArray(value) ? "an array" : `a value of the type ${typeof value}`;
}
