/** The client's side of a new link, up to the server's welcome. docs/wire.md section 5, negotiation. */
import type { FrameView } from "../codec/index.js";
import type { Clock, Timer } from "../connection/clock.js";
import type { Agreement, Connection } from "../connection/connection.js";
import {
  agreedLimits,
  HANDSHAKE_DEFAULTS,
  ownLimits,
  readHandshake,
  sayClosing,
  sendHello,
  versionOneAgreement,
  WIRE_VERSION,
} from "../connection/handshake.js";
import { Link, type LinkEnd, type LinkOwner } from "../connection/link.js";
import type { Transport } from "../connection/transport.js";
import { FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { type Gap, Goaway, type Hello, ResumeVerdict, Welcome } from "../gen/framewire/v1/session.js";
import type { ResolvedConnectionOptions } from "../options.js";

/** What a client remembers of its session between links. */
export interface ClientSession {
  /** Seed of all that this client sends in the session: replayed frames keep their checksums. */
  readonly seed: number;
  /** The secret that resumes it; empty before the first welcome, and where the server keeps no sessions. */
  readonly token: Uint8Array;
}

/** What came of a handshake. */
export interface HandshakeResult {
  readonly link: Link;
  readonly agreement: Agreement;
  /** Absent for version 1. */
  readonly welcome?: Welcome;
}

/** A link that ended before the welcome. */
export class HandshakeEnded extends Error {
  readonly end: LinkEnd;
  constructor(end: LinkEnd) {
    super(end.reason);
    this.end = end;
  }
}

interface HandshakeSettle {
  resolve(welcome: Welcome): void;
  reject(error: Error): void;
}

class Handshake implements LinkOwner {
  readonly onDamage = HANDSHAKE_DEFAULTS.onDamage;
  readonly onWritable = HANDSHAKE_DEFAULTS.onWritable;
  readonly onPing = HANDSHAKE_DEFAULTS.onPing;
  readonly onClosing = sayClosing;
  readonly #settle: HandshakeSettle;

  constructor(settle: HandshakeSettle) {
    this.#settle = settle;
  }

  onFrame(link: Link, frame: FrameView): void {
    try {
      if (frame.kindNumber === FrameKind.FRAME_KIND_GOAWAY) {
        const { closeCode, reason } = readHandshake(frame, Goaway, "goaway");
        return link.endedByPeer(closeCode === 0 ? 4509 : closeCode, reason);
      }
      if (frame.kindNumber !== FrameKind.FRAME_KIND_WELCOME) {
        throw new FramewireError("protocol-violation", "the first frame of the server must be a welcome");
      }
      const welcome = readHandshake(frame, Welcome, "welcome");
      if (welcome.version !== WIRE_VERSION) {
        return link.fail("version-unsupported", `the server chose version ${welcome.version}; this client speaks ${WIRE_VERSION}`);
      }
      link.secureIncoming(welcome.checksumSeed);
      this.#settle.resolve(welcome);
    } catch (error) {
      link.fail("protocol-violation", (error as Error).message, error);
    }
  }

  onEnd(_link: Link, end: LinkEnd): void {
    this.#settle.reject(new HandshakeEnded(end));
  }
}

/**
 * Opens a link over `transport` and attaches it to `connection` once the server has welcomed it. Nothing of the
 * application is sent before that: what a server never confirmed could be lost or handled twice.
 * Rejects with HandshakeEnded.
 */
export function shakeHands(
  transport: Transport,
  version: 1 | 2,
  connection: Connection,
  hello: Pick<Hello, "peer" | "credentials" | "schemaFingerprint">,
  session: ClientSession,
  options: ResolvedConnectionOptions,
  clock: Clock,
  hidden: () => boolean,
): Promise<HandshakeResult> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    const owner = new Handshake({
      resolve: (welcome) => {
        timer?.cancel();
        const agreement = agreementOf(welcome, options);
        link.batching = welcome.capabilities?.batching === true;
        connection.attach(link, agreement);
        resolve({ link, agreement, welcome });
      },
      reject: (error) => {
        timer?.cancel();
        reject(error);
      },
    });
    const timeoutMs = () => (hidden() ? options.heartbeatTimeoutHiddenMs : options.heartbeatTimeoutMs);
    // The server drives the heartbeat. The client asks by itself only when the server's ping is overdue.
    const link = new Link(transport, owner, options, clock, {
      intervalMs: options.heartbeatIntervalMs + options.heartbeatTimeoutMs / 2,
      timeoutMs,
    });
    link.start();
    if (version === 1) {
      const agreement = versionOneAgreement(options);
      connection.attach(link, agreement);
      return resolve({ link, agreement });
    }
    timer = clock.setTimer(options.handshakeTimeoutMs, () =>
      link.fail("handshake-timeout", `no welcome within ${options.handshakeTimeoutMs} ms`),
    );
    const resume =
      session.token.length === 0
        ? undefined
        : { token: session.token, received: BigInt(connection.received), oldest: BigInt(connection.replay.oldest) };
    sendHello(link, {
      ...hello,
      minVersion: WIRE_VERSION,
      maxVersion: WIRE_VERSION,
      checksumSeed: session.seed,
      limits: ownLimits(options),
      capabilities: { batching: true },
      resume,
    });
    link.flush();
  });
}

function agreementOf(welcome: Welcome, options: ResolvedConnectionOptions): Agreement {
  const base: Agreement = { version: 2, ...agreedLimits(welcome.limits, options), resumable: welcome.token.length > 0 };
  if (welcome.verdict !== ResumeVerdict.RESUME_VERDICT_RESUMED && welcome.verdict !== ResumeVerdict.RESUME_VERDICT_GAP) return base;
  return {
    ...base,
    resumed: {
      peerReceived: Number(welcome.received),
      lostIn: welcome.toClient && gapEvent("in", welcome.toClient),
      lostOut: welcome.toServer && gapEvent("out", welcome.toServer),
    },
  };
}

function gapEvent(direction: "in" | "out", { from, to, reason }: Gap) {
  return { direction, from: Number(from), to: Number(to), reason };
}
