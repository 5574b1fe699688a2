/** A new link on a server: its first frame decides its version. docs/wire.md section 5, negotiation. */

import { callMemory } from "../calls/received-request.js";
import type { FrameView } from "../codec/index.js";
import { type CloseErrorCode, closeCodeOf, FramewireError } from "../errors.js";
import { INTERNAL_ERROR, type Link, type LinkEnd, type LinkOwner } from "../link/link.js";
import type { Heartbeat } from "../link/liveness.js";
import { type AddressShare, type RateLimits, RateMeter } from "../link/rate-limit.js";
import { ServedLink, type SharedByLinks } from "../link/served-link.js";
import type { Transport } from "../link/transport.js";
import type { ResolvedServerOptions } from "../options.js";
import type { Hello } from "../protocol/control-messages.js";
import { KIND_HELLO } from "../protocol/frame-kind.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { HANDSHAKE_DEFAULTS, MAX_HELLO, readHello, sayClosing, WIRE_VERSION } from "../session/handshake.js";
import type { PendingHandshake } from "./handshake-queue.js";

/** The HTTP request that opened a WebSocket. */
export interface UpgradeRequest {
  /** Path and query. */
  readonly url: string;
  /** Names in lower case, as `node:http` gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** What a listener knows of a socket before its first frame. */
export interface Arrival {
  /** Present on a WebSocket. */
  readonly upgrade?: UpgradeRequest;
  /** The link is of version 1 from its start, whether or not its peer ever sends anything. Default: the peer decides. */
  readonly version?: 1 | undefined;
  /** When its socket was accepted, on the server's clock. Default: now. */
  readonly since?: number | undefined;
  /** Why it is refused; `undefined` if it is not. */
  readonly refusal?: FramewireError | undefined;
}

/** What the server does with a link whose first frame has come. */
export interface AcceptTarget {
  /** A version 1 peer. Takes over the link, or throws. */
  acceptV1(link: Link, upgrade: UpgradeRequest | undefined): void | Promise<void>;
  /** A version 2 peer that sent its hello. Takes over the link, or throws. */
  acceptHello(link: Link, hello: Hello, upgrade: UpgradeRequest | undefined): void | Promise<void>;
  /** Code of this side threw while it worked for the link. */
  failed(failure: FailureEvent): void;
  /** The handshake is over: the link has an owner. */
  settled(acceptance: Acceptance): void;
  /** The link ended before it had an owner. */
  refused(acceptance: Acceptance, end: LinkEnd): void;
}

/** What all links of a server share. */
export interface LinkSettings {
  readonly options: ResolvedServerOptions;
  readonly clock: Clock;
  readonly heartbeat: Heartbeat;
  readonly rates: RateLimits;
  readonly throttle: HandshakeThrottle;
  readonly shared: SharedByLinks;
}

/** Codes that a link may be refused with. The peer does not see any other error that an `authenticate` hook throws. */
const REFUSALS: ReadonlySet<string> = new Set<CloseErrorCode>([
  "frame-too-large",
  "going-away",
  "origin-refused",
  "permission-denied",
  "protocol-violation",
  "too-many-connections",
  "unauthenticated",
  "unavailable",
  "version-unsupported",
]);

/** A header beside its value. */
const HEADER_MEMORY = 64;

/** Whether an error is a refusal, whose code and message the peer may see. */
export function isRefusal(error: unknown): error is FramewireError {
  return error instanceof FramewireError && REFUSALS.has(error.code);
}

/** Owns a link until its handshake is done. */
export class Acceptance implements LinkOwner, PendingHandshake {
  readonly handshaking = true;
  readonly onDamage = HANDSHAKE_DEFAULTS.onDamage;
  readonly onWritable = HANDSHAKE_DEFAULTS.onWritable;
  readonly onPing = HANDSHAKE_DEFAULTS.onPing;
  readonly onClosing = sayClosing;
  readonly link: ServedLink;
  readonly #target: AcceptTarget;
  readonly #arrival: Arrival;
  readonly #timer: Timer;
  readonly #maxPayload: number;
  readonly #throttle: HandshakeThrottle;
  #idle = true;
  /** Memory of the request that opened the WebSocket, and of the hello while the server decides on it. */
  heldMemory: number;

  /** `share`: the rate of the peer's address over all its sockets. */
  constructor(
    transport: Transport,
    arrival: Arrival,
    target: AcceptTarget,
    share: AddressShare | undefined,
    { options, clock, heartbeat, rates, throttle, shared }: LinkSettings,
  ) {
    this.#target = target;
    this.#arrival = arrival;
    this.heldMemory = arrival.upgrade === undefined ? 0 : memoryOf(arrival.upgrade);
    this.link = new ServedLink(transport, this, options, clock, heartbeat, new RateMeter(rates, share), shared);
    this.link.receiver.throttle = throttle;
    this.link.firstPayload = MAX_HELLO;
    this.#maxPayload = options.maxPayload;
    this.#throttle = throttle;
    const left = options.handshakeTimeoutMs - (clock.now() - (arrival.since ?? clock.now()));
    this.#timer = clock.setTimer(Math.max(0, left), () =>
      this.link.fail("handshake-timeout", `no handshake within ${options.handshakeTimeoutMs} ms (handshakeTimeoutMs)`),
    );
  }

  /** Whether the server waits for the peer; false while its hello waits for its turn or for the server's decision. */
  get idle(): boolean {
    return this.#idle && !this.link.receiver.paused;
  }

  /** Starts the handshake, or refuses the link. */
  start(refusal: FramewireError | undefined): void {
    this.link.start();
    if (refusal !== undefined) return this.refuse(refusal);
    const { upgrade, version } = this.#arrival;
    if (this.link.info.protocol !== 1 && version !== 1) return;
    // A version 1 link needs no first frame: no hello comes, and the peer may never send anything.
    this.link.firstTaken();
    const accept = () => (this.link.open ? this.#target.acceptV1(this.link, upgrade) : undefined);
    // An upgrade was throttled already.
    this.#decide(upgrade === undefined ? () => this.#throttle.run(accept) : accept);
  }

  /** Ends the link because of `error`. The peer gets the code and message of a refusal only. */
  refuse(error: unknown): void {
    if (error instanceof FramewireError && error.code === "internal") return this.link.close(INTERNAL_ERROR, error.message, error);
    const refusal = isRefusal(error);
    // The server could not decide: a database that fails for a moment must not turn clients away for good.
    const code = refusal ? (error.code as CloseErrorCode) : "unavailable";
    const reason = refusal ? error.message : "the server could not decide about this client; try again";
    this.link.close(closeCodeOf(code), reason, refusal ? error : new FramewireError(code, reason, { fault: "remote", cause: error }));
  }

  reject(): void {
    this.refuse(tooManyHandshakes());
  }

  onFrame(link: Link, frame: FrameView): void {
    this.link.firstTaken();
    if (frame.version === 1) {
      const length = frame.payloadEnd - frame.payloadStart;
      if (length > this.#maxPayload)
        return link.fail("frame-too-large", `a payload of ${length} bytes; at most ${this.#maxPayload} are taken`);
      const decided = this.#decide(() => this.#target.acceptV1(link, this.#arrival.upgrade), frame);
      return decided ? link.deliver(frame) : undefined;
    }
    this.heldMemory += callMemory(frame);
    this.#decide(() => {
      if (frame.kindNumber !== KIND_HELLO) {
        throw new FramewireError("protocol-violation", "the first frame of a version 2 connection must be a hello", { fault: "remote" });
      }
      const hello = readHello(frame);
      if (hello.minVersion > WIRE_VERSION || hello.maxVersion < WIRE_VERSION) {
        const spoken = `${hello.minVersion} to ${hello.maxVersion}`;
        throw new FramewireError("version-unsupported", `the peer speaks versions ${spoken}; this server speaks up to ${WIRE_VERSION}`, {
          fault: "remote",
        });
      }
      link.secureIncoming(hello.checksumSeed);
      return this.#target.acceptHello(link, hello, this.#arrival.upgrade);
    });
  }

  onFault(error: unknown): void {
    this.#target.failed({ error });
  }

  onEnd(_link: Link, end: LinkEnd): void {
    this.#timer.cancel();
    this.#target.refused(this, end);
  }

  /**
   * Runs `accept`, which takes over the link. False if it returned a promise: frames after `first` wait until it settles, and so does
   * `first` itself if it has to be delivered again.
   */
  #decide(accept: () => void | Promise<void>, first?: FrameView): boolean {
    let accepting: void | Promise<void>;
    try {
      accepting = accept();
    } catch (error) {
      this.refuse(error);
      return false;
    }
    if (accepting === undefined) {
      this.#settle();
      return true;
    }
    this.#idle = false;
    this.link.receiver.hold(first);
    accepting.then(
      () => {
        this.#settle();
        this.link.receiver.release();
      },
      (error) => this.refuse(error),
    );
    return false;
  }

  #settle(): void {
    this.#timer.cancel();
    this.#target.settled(this);
  }
}

/** Memory of the strings of a request, roughly: names, values and the objects that hold them. */
function memoryOf({ url, headers }: UpgradeRequest): number {
  let characters = url.length;
  for (const value of Object.values(headers)) characters += HEADER_MEMORY + String(value).length;
  return characters;
}

/** The refusal of a handshake for which `maxHandshakes` leaves no room. */
export function tooManyHandshakes(): FramewireError {
  return new FramewireError("too-many-connections", "more than maxHandshakes clients are in their handshake; try again");
}
