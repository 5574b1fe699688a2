/** Every option, its default, and the one function that puts them together and checks them. */
import { FramewireError } from "./errors.js";

/** What the decoder does after a byte that cannot belong to a frame. */
export type Recovery = "resync" | "close";

/** What a call does when the peer takes no more. */
export type WhenBusy = "wait" | "fail";

/** Options shared by everything that reads or writes frames. */
export interface FrameOptions {
  /** First field of every frame and the sync word; 2^28 to 2^31-1. Default 0x7EDDFCF5. */
  readonly magic?: number;
  /** Largest payload of one frame, in bytes, 0 to 2^31-1; on servers and clients at least 1,024. Default 1 MiB. */
  readonly maxPayload?: number;
}

/** Takes the lines of a server's or client's log: an object with facts, then a text, as pino's loggers do. */
export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** Options of a frame decoder. */
export interface DecoderOptions extends FrameOptions {
  /** Largest trailer of a version 2 frame, from the end of the payload to the end of the checksum, in bytes. Default 1 KiB. */
  readonly maxTrailer?: number;
  /** Lowest wire version accepted; 2 makes every frame carry a checksum. Default 1. */
  readonly minVersion?: number;
  /** `"resync"` (default) looks for the next frame after damage; `"close"` throws at the first damaged byte. */
  readonly recovery?: Recovery;
  /** Seed of the sender's checksums (docs/wire.md section 3), an unsigned 32-bit integer. Default: none. */
  readonly checksumSeed?: number | undefined;
}

/** Who this side is, told to the peer in the handshake: at most 256 bytes of each. */
export interface PeerDescription {
  /** Application name. */
  readonly name?: string;
  /** Application version. */
  readonly version?: string;
  /** Platform, for example `node 22`. */
  readonly platform?: string;
}

/** Options of a connection, the same on both ends. */
export interface ConnectionOptions extends FrameOptions {
  /** Largest trailer of a version 2 frame, in bytes, at least 256. Told to the peer. Default 1 KiB. */
  readonly maxTrailer?: number;
  /** What happens after a damaged byte: look for the next frame (`"resync"`, default) or close the connection. */
  readonly recovery?: Recovery;
  /** Who this side is. */
  readonly peer?: PeerDescription;
  /**
   * Takes the lines of the log: `{ debug, info, warn, error }`, each called with an object and a text, as pino has them; `false` = no log.
   * Default: warnings and errors, a line each on stderr, or in the console of a browser or React Native: docs/logging.md.
   */
  readonly logger?: Logger | false;
  /** From opening a socket to the end of the handshake, that of TLS and the WebSocket upgrade included. Default 8 s. */
  readonly handshakeTimeoutMs?: number;
  /** From a frame's first byte to its last; a longer one has as long for each 32 KiB of it. Default 10 s. */
  readonly frameTimeoutMs?: number;
  /** Longest time without progress while bytes wait to be sent. Default 30 s. */
  readonly writeTimeoutMs?: number;
  /** From closing a connection to dropping its socket, if the peer does not take part in the close. Default 3 s. */
  readonly closeTimeoutMs?: number;
  /** Silence after which a ping is sent; 0 = no pings, and silence never ends a connection. Default 30 s. */
  readonly heartbeatIntervalMs?: number;
  /** Silence after a ping that ends the connection. Default 20 s. */
  readonly heartbeatTimeoutMs?: number;
  /** The same while a page is hidden, where timers and tasks are throttled. Default 75 s. */
  readonly heartbeatTimeoutHiddenMs?: number;
  /** Resynchronisations in a sliding minute before the connection closes. Default 8. */
  readonly resyncBudget?: number;
  /** Share of damaged frames in a sliding minute above which the connection closes, 0 to 1; 1 = never. Default 0.5. */
  readonly errorRate?: number;
  /** The least number of frames that `errorRate` is judged by. Default 20. */
  readonly errorRateFrames?: number;
  /** Calls that the peer may have in flight on one connection. Default 1024. */
  readonly maxCalls?: number;
  /** Credit that each stream starts with, in bytes; an item costs its payload's length plus 64. Default 256 KiB. */
  readonly initialCredit?: number;
  /** Bytes waiting in the socket above which sends wait; they go on below half of it. Default 256 KiB. */
  readonly highWaterMark?: number;
  /** Bytes of frames that may wait for the socket or a connection. Default 4 MiB. */
  readonly maxQueuedBytes?: number;
  /** Frames that may wait for the socket or a connection. Default 10,000. */
  readonly maxQueuedFrames?: number;
  /** Longest time that a frame waits for a connection. Default 120 s. */
  readonly maxQueuedMs?: number;
  /** Bytes of sent, unacknowledged frames kept for a resume; more wait to be sent until some are acknowledged. Default 1 MiB. */
  readonly replayBytes?: number;
  /** Sent, unacknowledged frames kept for a resume. Default 4,096. */
  readonly replayFrames?: number;
  /** Age from which on a sent, unacknowledged frame is not sent again on another connection, but told as lost. Default: none. */
  readonly replayMs?: number;
  /** How long an interrupted session can be resumed. Default 120 s. */
  readonly resumeWindowMs?: number;
  /** Longest time before a received frame is acknowledged. Default 25 ms. */
  readonly ackDelayMs?: number;
  /**
   * What a call does when as many are in flight as the peer allows (its `maxCalls`), unless it says otherwise: wait for one of them to end, within
   * its deadline and the limits of the queue (`"wait"`, default), or fail with `resource-exhausted` (`"fail"`).
   */
  readonly whenBusy?: WhenBusy;
  /** Longest time a call may take, unless it says otherwise; 0 = no limit. Default 30 s for calls with one reply, none for streams. */
  readonly timeoutMs?: number;
}

/** What a server lets its clients take. `Infinity` switches a limit off. */
export interface ServerLimits {
  /** Sockets that may be open at once. Default 20,000. */
  readonly maxConnections?: number;
  /** The same for each address. Behind a proxy all clients come from one: see `clientAddress`. Default 1,024. */
  readonly maxConnectionsPerAddress?: number;
  /** Sockets that may be in the handshake at once; when there is one more, the oldest of them is closed. Default 4,096. */
  readonly maxHandshakes?: number;
  /**
   * Frames that one connection may send in a second. A burst may hold a whole second's worth, and at least 8,192. A frame that is of no
   * use to the server, such as one for an unknown command, and a ping, a cancel or a request to send again count 100 times.
   * All connections of one address together may send twice as much. Default 250,000.
   */
  readonly maxFramesPerSecond?: number;
  /** Bytes that one connection may send in a second. A burst may hold a whole second's worth, and at least 8 MiB or four of the largest frames. Default 1 GiB. */
  readonly maxBytesPerSecond?: number;
  /**
   * Sessions kept for clients that are away. When there is one more, one of the address with the most is dropped: one in which nothing was
   * ever sent if there is any, and of these the one that has been away longest. Default 10,000.
   */
  readonly maxSessions?: number;
  /** Bytes of frames kept for all clients that are away; beyond it sessions of the address with the most bytes are dropped. Default 64 MiB. */
  readonly maxSessionBytes?: number;
  /**
   * Bytes of memory held for one connection: everything that waits, in either direction. When the application has not taken half as much
   * of what the peer has sent, the connection is not read. Where it is not given it is at least `maxQueuedBytes` + `replayBytes` + 4 × `maxPayload`.
   * Default 16 MiB.
   */
  readonly maxConnectionBytes?: number;
  /** The same for all connections together; beyond it connections of the address that holds the most are closed until three quarters are left. Default 128 MiB. */
  readonly maxServerBytes?: number;
}

/** Options of a client's reconnects. */
export interface ReconnectOptions {
  /** Delay before the first retry; doubles with each further one. Default 1 s. */
  readonly baseMs?: number;
  /** Longest delay. Default 60 s. */
  readonly maxMs?: number;
  /** `"added"` (default) adds 0 to 1 s to each delay; `"full"` chooses evenly from 0 to the delay: for large fleets. */
  readonly jitter?: "added" | "full";
  /** Retries in a row before the client gives up; Infinity = never. Default 5 on Node, Infinity in browsers and React Native. */
  readonly retries?: number;
  /** Time connected after which the count of retries starts anew. Default 60 s. */
  readonly resetAfterMs?: number;
  /** Longest time over which a server that goes away may spread its clients' reconnects; a longer one counts as this. Default 300 s. */
  readonly maxSpreadMs?: number;
}

/** The names of a {@link PeerDescription}. */
export const PEER_NAMES = { name: 0, version: 0, platform: 0 } satisfies Record<keyof PeerDescription, 0>;

/** The longest limit of a call, in milliseconds. */
export const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** Whether a call may have `value` as its limit. */
export function isTimeout(value: unknown): boolean {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return true;
  return typeof value === "number" && value >= 0 && value <= MAX_TIMEOUT_MS;
}

/** Names that something has: what is looked up in, and shown to whoever asks for another. */
export type Names = Readonly<Record<string, unknown>>;

/** What is said of the names that are right. Pages say nothing: see nearest.ts. */
let advise: (wrong: string, right: readonly string[]) => string = () => "";

export function provideAdvice(provided: typeof advise): void {
  advise = provided;
}

/** @throws FramewireError `invalid-option` if `given` has an option that `known` has not */
export function checkNames(whose: string, given: object, known: Names): void {
  for (const name in given) {
    if (!Object.hasOwn(known, name) && (given as Names)[name] !== undefined) unknownName("option", whose, name, known);
  }
}

/** @throws FramewireError `invalid-option` */
export function unknownName(kind: "option" | "event", whose: string, name: string, known: Names): never {
  throw new FramewireError("invalid-option", `${whose} has no ${kind} ${name}${advise(name, Object.keys(known))}`);
}

/** The defaults of both ends of a connection. */
export const CONNECTION_DEFAULTS = {
  magic: 0x7eddfcf5,
  maxPayload: 1024 * 1024,
  maxTrailer: 1024,
  minVersion: 1,
  recovery: "resync",
  handshakeTimeoutMs: 8_000,
  frameTimeoutMs: 10_000,
  writeTimeoutMs: 30_000,
  closeTimeoutMs: 3_000,
  heartbeatIntervalMs: 30_000,
  heartbeatTimeoutMs: 20_000,
  heartbeatTimeoutHiddenMs: 75_000,
  resyncBudget: 8,
  errorRate: 0.5,
  errorRateFrames: 20,
  maxCalls: 1024,
  initialCredit: 256 * 1024,
  highWaterMark: 256 * 1024,
  maxQueuedBytes: 4 * 1024 * 1024,
  maxQueuedFrames: 10_000,
  maxQueuedMs: 120_000,
  replayBytes: 1024 * 1024,
  replayFrames: 4096,
  replayMs: Number.POSITIVE_INFINITY,
  resumeWindowMs: 120_000,
  ackDelayMs: 25,
  whenBusy: "wait",
  timeoutMs: 30_000,
} as const;

/** The defaults of a server's limits. */
export const SERVER_DEFAULTS = {
  maxConnections: 20_000,
  maxConnectionsPerAddress: 1024,
  maxHandshakes: 4096,
  maxFramesPerSecond: 250_000,
  maxBytesPerSecond: 1024 * 1024 * 1024,
  maxSessions: 10_000,
  maxSessionBytes: 64 * 1024 * 1024,
  maxConnectionBytes: 16 * 1024 * 1024,
  maxServerBytes: 128 * 1024 * 1024,
} as const;

const RECONNECT_DEFAULTS = {
  baseMs: 1_000,
  maxMs: 60_000,
  jitter: "added",
  retries: Number.POSITIVE_INFINITY,
  resetAfterMs: 60_000,
  maxSpreadMs: 300_000,
} as const;

/** What a client on Node has for `retries`. */
export const NODE_RETRIES = 5;

/** Every default value, written once; where platforms differ, that of Node. docs/options.md is held to this object by a test. */
export const DEFAULTS = /* @__PURE__ */ everyDefault();

/** A function, so that bundlers see that nobody needs the servers' defaults on a page. */
function everyDefault() {
  return { ...CONNECTION_DEFAULTS, ...SERVER_DEFAULTS, ...RECONNECT_DEFAULTS, retries: NODE_RETRIES };
}

type Widen<T> = T extends number
  ? number
  : T extends "wait"
    ? WhenBusy
    : T extends "resync"
      ? Recovery
      : T extends "added"
        ? "added" | "full"
        : T;

/** The defaults of the options that `O` has, as values of those options. */
type DefaultsOf<O> = { readonly [K in keyof O & keyof typeof DEFAULTS]: Widen<(typeof DEFAULTS)[K]> };

/** Connection options with every default filled in. */
export type ResolvedConnectionOptions = ConnectionOptions & DefaultsOf<Required<ConnectionOptions>>;

/** A server's limits and connection options with every default filled in. */
export type ResolvedServerOptions = ResolvedConnectionOptions & DefaultsOf<Required<ServerLimits>>;

/** Reconnect options with every default filled in. */
export type ResolvedReconnectOptions = DefaultsOf<Required<ReconnectOptions>>;

/** Connection options from what was given and the defaults. @throws FramewireError `invalid-option`. */
export function resolveConnectionOptions<O extends ConnectionOptions>(given: O): O & ResolvedConnectionOptions {
  return resolveOptions(CONNECTION_DEFAULTS, given, CONNECTION_RANGES);
}

/** A server's options from what was given and the defaults. @throws FramewireError `invalid-option`. */
export function resolveServerOptions<O extends ConnectionOptions & ServerLimits>(given: O): O & ResolvedServerOptions {
  const resolved = resolveOptions({ ...CONNECTION_DEFAULTS, ...SERVER_DEFAULTS }, given, { ...CONNECTION_RANGES, ...SERVER_RANGES });
  if (given.maxConnectionBytes !== undefined) return resolved;
  const { maxQueuedBytes, replayBytes, maxPayload } = resolved as unknown as ResolvedServerOptions;
  // What the other options let wait must have room.
  const least = maxQueuedBytes + replayBytes + 4 * maxPayload;
  return Object.assign(resolved, { maxConnectionBytes: Math.max(SERVER_DEFAULTS.maxConnectionBytes, least) });
}

/** Reconnect options from what was given and the defaults. @throws FramewireError `invalid-option`. */
export function resolveReconnectOptions(given: ReconnectOptions): ResolvedReconnectOptions {
  checkNames("reconnect", given, RECONNECT_DEFAULTS);
  return resolveOptions(RECONNECT_DEFAULTS, given);
}

/** The least and the most of an option that is a number. Where they are not given: 0 and 2^31-1. */
type Ranges = Readonly<Record<string, readonly [min?: number, max?: number]>>;

const INT31 = 0x7fff_ffff;
const ANY_NUMBER = Number.POSITIVE_INFINITY;

const RANGES: Ranges = {
  magic: [0x1000_0000],
  maxPayload: [],
  maxTrailer: [5],
  minVersion: [1],
  checksumSeed: [0, 0xffff_ffff],
  errorRateFrames: [1],
  maxCalls: [1],
  initialCredit: [1],
  errorRate: [0, 1],
  retries: [0, ANY_NUMBER],
  replayMs: [0, ANY_NUMBER],
};

/** Every peer takes this much (docs/wire.md section 5.2), so that what a connection has to say for itself always fits. */
export const LEAST_MAX_PAYLOAD = 1024;
export const LEAST_MAX_TRAILER = 256;

const CONNECTION_RANGES: Ranges = { ...RANGES, maxPayload: [LEAST_MAX_PAYLOAD], maxTrailer: [LEAST_MAX_TRAILER] };

const SERVER_RANGES: Ranges = {
  maxConnections: [1, ANY_NUMBER],
  maxConnectionsPerAddress: [1, ANY_NUMBER],
  maxHandshakes: [1, ANY_NUMBER],
  maxFramesPerSecond: [1, ANY_NUMBER],
  maxBytesPerSecond: [1, ANY_NUMBER],
  maxSessions: [0, ANY_NUMBER],
  maxSessionBytes: [0, ANY_NUMBER],
  maxConnectionBytes: [1, ANY_NUMBER],
  maxServerBytes: [1, ANY_NUMBER],
};

/**
 * Lays `given` over `defaults` and checks every number against its range. A number without one is a count, bytes or milliseconds.
 * @throws FramewireError `invalid-option`, naming the option, its value and the range.
 */
export function resolveOptions<D extends object, G extends object>(defaults: D, given: G, ranges: Ranges = RANGES): D & G {
  // Not a spread: V8 gives each copy made by one a shape of its own as soon as a property is added, and code that reads them slows down.
  const resolved = Object.assign({}, defaults) as Record<string, unknown>;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const range = ranges[name] ?? (typeof resolved[name] === "number" ? [] : undefined);
    if (range !== undefined) {
      const [min = 0, max = INT31] = range;
      const fraction = name === "errorRate";
      const inRange = typeof value === "number" && value >= min && value <= max && (fraction || Number.isInteger(value) || value === max);
      if (!inRange) invalid(name, value, `${fraction ? "a number" : "an integer"} from ${min} to ${max}`);
    }
    if (name === "recovery" && value !== "resync" && value !== "close") invalid(name, value, '"resync" or "close"');
    if (name === "whenBusy" && value !== "wait" && value !== "fail") invalid(name, value, '"wait" or "fail"');
    resolved[name] = value;
  }
  return resolved as D & G;
}

function invalid(name: string, value: unknown, wanted: string): never {
  throw new FramewireError("invalid-option", `${name} is ${String(value)}; it must be ${wanted}`);
}
