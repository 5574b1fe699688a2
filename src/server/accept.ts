/** A new link on a server: its first frame decides what it is. docs/wire.md section 5, negotiation. */
import type { FrameView } from "../codec/index.js";
import type { Clock, Timer } from "../connection/clock.js";
import { HANDSHAKE_DEFAULTS, readHandshake, sayClosing, WIRE_VERSION } from "../connection/handshake.js";
import { Link, type LinkEnd, type LinkOwner } from "../connection/link.js";
import type { Transport } from "../connection/transport.js";
import { FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { Hello } from "../gen/framewire/v1/session.js";
import type { ResolvedConnectionOptions } from "../options.js";

/** What the server does with a link that has shown what it is. */
export interface AcceptTarget {
  /** A version 1 peer. Takes the link over, or throws. */
  acceptV1(link: Link): void | Promise<void>;
  /** A version 2 peer that said hello. Takes the link over, or throws. */
  acceptHello(link: Link, hello: Hello): void | Promise<void>;
  /** The link ended before it was anybody's. */
  refused(link: Link, end: LinkEnd): void;
}

/** Owns a link until its handshake is done. */
export class Acceptance implements LinkOwner {
  readonly onDamage = HANDSHAKE_DEFAULTS.onDamage;
  readonly onWritable = HANDSHAKE_DEFAULTS.onWritable;
  readonly onPing = HANDSHAKE_DEFAULTS.onPing;
  readonly onClosing = sayClosing;
  readonly link: Link;
  readonly #target: AcceptTarget;
  readonly #timer: Timer;

  constructor(transport: Transport, target: AcceptTarget, options: ResolvedConnectionOptions, clock: Clock) {
    this.#target = target;
    this.link = new Link(transport, this, options, clock, {
      intervalMs: options.heartbeatIntervalMs,
      timeoutMs: () => options.heartbeatTimeoutMs,
    });
    this.#timer = clock.setTimer(options.handshakeTimeoutMs, () =>
      this.link.fail("handshake-timeout", `no handshake within ${options.handshakeTimeoutMs} ms`),
    );
  }

  start(): void {
    this.link.start();
    // Where version 1 was agreed on below us there is nothing to wait for: the peer may be one that only listens.
    if (this.link.info.protocol === 1) this.#settle(this.#target.acceptV1(this.link));
  }

  onFrame(link: Link, frame: FrameView): void {
    try {
      if (frame.version === 1) {
        this.#settle(this.#target.acceptV1(link));
        link.redeliver(frame);
      } else if (frame.kindNumber === FrameKind.FRAME_KIND_HELLO) {
        const hello = readHandshake(frame, Hello, "hello");
        if (hello.minVersion > WIRE_VERSION || hello.maxVersion < WIRE_VERSION) {
          const spoken = `${hello.minVersion} to ${hello.maxVersion}`;
          throw new FramewireError("version-unsupported", `the peer speaks versions ${spoken}; this server speaks up to ${WIRE_VERSION}`);
        }
        link.secureIncoming(hello.checksumSeed);
        this.#settle(this.#target.acceptHello(link, hello));
      } else {
        throw new FramewireError("protocol-violation", "the first frame of a version 2 connection must be a hello");
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  onEnd(link: Link, end: LinkEnd): void {
    this.#timer.cancel();
    this.#target.refused(link, end);
  }

  /** Frames that come right behind a hello wait while the server still thinks about it. */
  #settle(accepting: void | Promise<void>): void {
    if (accepting === undefined) return this.#timer.cancel();
    this.link.hold();
    accepting.then(
      () => {
        this.#timer.cancel();
        this.link.release();
      },
      (error) => this.#refuse(error),
    );
  }

  #refuse(error: unknown): void {
    const known = error instanceof FramewireError ? error : undefined;
    switch (known?.code) {
      case "protocol-violation":
      case "version-unsupported":
      case "too-many-connections":
      case "going-away":
        return this.link.fail(known.code, known.message, error);
      default:
        // What an authenticate hook throws is for the server's log, not for the peer.
        return this.link.fail("unauthenticated", known?.code === "unauthenticated" ? known.message : "the credentials were refused", error);
    }
  }
}
