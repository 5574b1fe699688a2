/**
 * The one error class, its closed union of codes, and the one table that says what each code means to a
 * call (google.rpc.Code), to a connection (WebSocket close code) and to a client that could try again.
 */

interface CodeFacts {
  /** google.rpc.Code, for codes that a call can fail with. */
  readonly status?: number;
  /** WebSocket close code, for codes that end a connection. 4400–4499: do not retry. 4500–4599: retry. */
  readonly close?: number;
}

const FACTS = {
  // Call failures: google.rpc.Code, https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
  cancelled: { status: 1 },
  unknown: { status: 2 },
  "invalid-argument": { status: 3 },
  "deadline-exceeded": { status: 4 },
  "not-found": { status: 5 },
  "already-exists": { status: 6 },
  "permission-denied": { status: 7 },
  "resource-exhausted": { status: 8 },
  "failed-precondition": { status: 9 },
  aborted: { status: 10 },
  "out-of-range": { status: 11 },
  unimplemented: { status: 12 },
  internal: { status: 13 },
  unavailable: { status: 14 },
  "data-loss": { status: 15 },
  unauthenticated: { status: 16, close: 4416 },

  // The connection ended, and a new one would end the same way.
  "frame-malformed": { close: 4400 },
  "frame-too-large": { close: 4401 },
  "protocol-violation": { close: 4402 },
  "version-unsupported": { close: 4403 },
  "origin-refused": { close: 4404 },
  "session-replaced": { close: 4405 },

  // The connection ended, and a new one may do better.
  "handshake-timeout": { close: 4500 },
  "frame-timeout": { close: 4501 },
  "heartbeat-timeout": { close: 4502 },
  "write-timeout": { close: 4503 },
  "resync-budget": { close: 4504 },
  "error-rate": { close: 4505 },
  "rate-exceeded": { close: 4506 },
  "too-many-connections": { close: 4507 },
  "slow-consumer": { close: 4508 },
  "going-away": { close: 4509 },
  "resend-impossible": { close: 4510 },

  // Local: nothing of these is sent.
  "invalid-option": {},
  "duplicate-command": {},
  "connect-failed": {},
  "connection-closed": {},
  "queue-full": {},
  "queue-expired": {},
  "outbox-failed": {},
} as const satisfies Record<string, CodeFacts>;

/** Every code a {@link FramewireError} can carry. */
export type ErrorCode = keyof typeof FACTS;

/** The codes a call can fail with; each has its google.rpc.Code. */
export type CallErrorCode = {
  [C in ErrorCode]: (typeof FACTS)[C] extends { readonly status: number } ? C : never;
}[ErrorCode];

/** The codes that end a connection; each has its WebSocket close code. */
export type CloseErrorCode = {
  [C in ErrorCode]: (typeof FACTS)[C] extends { readonly close: number } ? C : never;
}[ErrorCode];

/** What goes with an error beside its code and text. */
export interface FramewireErrorOptions {
  /** Who is at fault: this side (default) or the peer. */
  readonly fault?: "local" | "remote";
  /** The error below this one. Never sent to a peer. */
  readonly cause?: unknown;
  /** Metadata of a failed call, as the handler's side set it. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** On the errors of every copy of this package that a process holds. */
const BRAND: unique symbol = Symbol.for("framewire.FramewireError") as never;

/** The only error that framewire throws, rejects with or reports. `instanceof` recognises those of other copies of the package too. */
export class FramewireError extends Error {
  static override [Symbol.hasInstance](this: unknown, value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: `this` may be an application's subclass, which is recognised as any class is
    if (this !== FramewireError) return Function.prototype[Symbol.hasInstance].call(this as never, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /**
   * `value` as a FramewireError, for a `catch`: one of any copy of this package is given back as it is. From anything else a new one is made,
   * with `value` as its `cause`: `cancelled` for an AbortError, `deadline-exceeded` for a TimeoutError, otherwise `code`.
   */
  static from(value: unknown, code: ErrorCode = "unknown"): FramewireError {
    if (value instanceof FramewireError) return value;
    const name = textOf(value, "name");
    const known = name === "AbortError" ? "cancelled" : name === "TimeoutError" ? "deadline-exceeded" : code;
    return new FramewireError(known, textOf(value, "message") ?? String(value), { cause: value });
  }

  override readonly name = "FramewireError";
  readonly code: ErrorCode;
  readonly fault: "local" | "remote";
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: FramewireErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = options.fault ?? "local";
    this.metadata = options.metadata ?? {};
  }

  /** google.rpc.Code of a failed call; `undefined` for errors that are not about a call. */
  get status(): number | undefined {
    return factsOf(this.code).status;
  }
}

Object.defineProperty(FramewireError.prototype, BRAND, { value: true });

/** A text of an error of any make. */
function textOf(error: unknown, key: "name" | "message"): string | undefined {
  const text: unknown = typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined;
  return typeof text === "string" ? text : undefined;
}

/**
 * An error that the peer has made, without a stack: where it was noticed tells nobody anything, and a peer that makes
 * thousands of them a second must not cost thousands of stacks.
 */
export function peersError(code: ErrorCode, message: string, cause?: unknown): FramewireError {
  const { stackTraceLimit } = Error;
  Reflect.set(Error, "stackTraceLimit", 0);
  const error = new FramewireError(code, message, { fault: "remote", cause });
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}

function factsOf(code: ErrorCode): CodeFacts {
  return FACTS[code] ?? NO_FACTS;
}

const NO_FACTS: CodeFacts = {};

/** The google.rpc.Code of `code`. */
export function statusOf(code: CallErrorCode): number {
  return FACTS[code].status;
}

/** The code of a google.rpc.Code; numbers that name none are `"unknown"`, as gRPC has it. */
export function codeOfStatus(status: number): CallErrorCode {
  return CODE_OF_STATUS.get(status) ?? "unknown";
}

/** Whether `code` is one that a handler may answer a call with. */
export function isCallErrorCode(code: ErrorCode): code is CallErrorCode {
  return factsOf(code).status !== undefined;
}

/** The WebSocket close code of `code`. */
export function closeCodeOf(code: CloseErrorCode): number {
  return FACTS[code].close;
}

/** The error code behind a WebSocket close code, `undefined` if it is not one of ours. */
export function codeOfCloseCode(closeCode: number): CloseErrorCode | undefined {
  return CODE_OF_CLOSE.get(closeCode);
}

/**
 * Whether a client should connect again after `closeCode`. Codes 4000–4499 are an application's or our own
 * final word; everything else (network loss, 1001, 1006, 1012, 45xx) is worth another try.
 */
export function isRetryable(closeCode: number): boolean {
  return closeCode < 4000 || closeCode >= 4500;
}

const CODE_OF_STATUS = new Map<number, CallErrorCode>();
const CODE_OF_CLOSE = new Map<number, CloseErrorCode>();
for (const code of Object.keys(FACTS) as ErrorCode[]) {
  const { status, close } = factsOf(code);
  if (status !== undefined) CODE_OF_STATUS.set(status, code as CallErrorCode);
  if (close !== undefined) CODE_OF_CLOSE.set(close, code as CloseErrorCode);
}
