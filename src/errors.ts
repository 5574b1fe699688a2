/**
 * The one error class, its closed union of codes, and the lists that say what each code means to a
 * call (google.rpc.Code), to a connection (WebSocket close code) and to a client that could try again.
 */

/**
 * What calls fail with, from google.rpc.Code 1 on in its order:
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
 */
const CALL_CODES = [
  "cancelled",
  "unknown",
  "invalid-argument",
  "deadline-exceeded",
  "not-found",
  "already-exists",
  "permission-denied",
  "resource-exhausted",
  "failed-precondition",
  "aborted",
  "out-of-range",
  "unimplemented",
  "internal",
  "unavailable",
  "data-loss",
  "unauthenticated",
] as const;

/** The connection ended, and a new one would end the same way: WebSocket close codes from 4400 on. */
const FINAL_CODES = [
  "frame-malformed",
  "frame-too-large",
  "protocol-violation",
  "version-unsupported",
  "origin-refused",
  "session-replaced",
] as const;

/** The connection ended, and a new one may do better: WebSocket close codes from 4500 on. */
const PASSING_CODES = [
  "handshake-timeout",
  "frame-timeout",
  "heartbeat-timeout",
  "write-timeout",
  "resync-budget",
  "error-rate",
  "rate-exceeded",
  "too-many-connections",
  "slow-consumer",
  "going-away",
  "resend-impossible",
] as const;

/** What `authenticate` says of a client, with its close codes: the first two are final. */
const VERDICTS = [
  ["permission-denied", 4407],
  ["unauthenticated", 4416],
  ["unavailable", 4514],
] as const;

/** Local: nothing of these is sent. */
type LocalCode =
  | "invalid-option"
  | "duplicate-command"
  | "connect-failed"
  | "protocol-mismatch"
  | "connection-closed"
  | "queue-full"
  | "queue-expired"
  | "outbox-failed";

/** The codes a call can fail with; each has its google.rpc.Code. */
export type CallErrorCode = (typeof CALL_CODES)[number];

/** The codes that end a connection; each has its WebSocket close code. */
export type CloseErrorCode = (typeof FINAL_CODES)[number] | (typeof PASSING_CODES)[number] | (typeof VERDICTS)[number][0];

/** Every code a {@link FramewireError} can carry. */
export type ErrorCode = CallErrorCode | CloseErrorCode | LocalCode;

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
    return new FramewireError(known, reasonOf(value), { cause: value });
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
    return STATUS_OF_CODE.get(this.code);
  }
}

Object.defineProperty(FramewireError.prototype, BRAND, { value: true });

/** A text of an error of any make. */
function textOf(error: unknown, key: "name" | "message"): string | undefined {
  const text: unknown = typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined;
  return typeof text === "string" ? text : undefined;
}

/** What was thrown, as a text for the message of another error. */
export function reasonOf(thrown: unknown): string {
  try {
    return textOf(thrown, "message") ?? String(thrown);
  } catch {
    return "an error without a text";
  }
}

/** Whether errors say all that they can. Not so on pages, which carry less: a bundler sees that nobody sets it and drops what nobody can come to. */
export let inFull = false;

/** For Node's entries. */
export function useFullErrors(): void {
  inFull = true;
}

/** Makes an error whose stack has `lines` more lines than others, or none if `lines` is negative. For V8. */
export function withLines(lines: number, make: () => FramewireError): FramewireError {
  const { stackTraceLimit } = Error;
  if (stackTraceLimit > 0) Reflect.set(Error, "stackTraceLimit", lines < 0 ? 0 : stackTraceLimit + lines);
  const error = make();
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}

/**
 * An error that the peer has made, on Node without a stack: where it was noticed tells nobody anything, and a peer that makes
 * thousands of them a second must not cost a server thousands of stacks.
 */
export function peersError(code: ErrorCode, message: string, cause?: unknown): FramewireError {
  const make = () => new FramewireError(code, message, { fault: "remote", cause });
  return inFull ? withLines(-1, make) : make();
}

const STATUS_OF_CODE = new Map<ErrorCode, number>(CALL_CODES.map((code, index) => [code, index + 1]));
const CLOSE_OF_CODE = new Map<ErrorCode, number>([
  ...FINAL_CODES.map((code, index) => [code, 4400 + index] as const),
  ...PASSING_CODES.map((code, index) => [code, 4500 + index] as const),
  ...VERDICTS,
]);
const CODE_OF_CLOSE = new Map(Array.from(CLOSE_OF_CODE, ([code, close]) => [close, code as CloseErrorCode]));

/** The google.rpc.Code of `code`. */
export function statusOf(code: CallErrorCode): number {
  return STATUS_OF_CODE.get(code) as number;
}

/** The code of a google.rpc.Code; numbers that name none are `"unknown"`, as gRPC has it. */
export function codeOfStatus(status: number): CallErrorCode {
  return CALL_CODES[status - 1] ?? "unknown";
}

/** Whether `code` is one that a handler may answer a call with. */
export function isCallErrorCode(code: ErrorCode): code is CallErrorCode {
  return STATUS_OF_CODE.has(code);
}

/** The WebSocket close code of `code`. */
export function closeCodeOf(code: CloseErrorCode): number {
  return CLOSE_OF_CODE.get(code) as number;
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
