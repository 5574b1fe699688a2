/** The client's side of a new link, up to the server's welcome. docs/wire.md section 5, negotiation. */

import type { FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import { Link, type LinkEnd, type LinkOwner } from "../link/link.js";
import type { Heartbeat } from "../link/liveness.js";
import type { Transport } from "../link/transport.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { type Gap, Goaway, type Hello, VERDICT_GAP, VERDICT_RESUMED, Welcome } from "../protocol/control-messages.js";
import { KIND_GOAWAY, KIND_WELCOME } from "../protocol/frame-kind.js";
import type { Clock } from "../runtime/clock.js";
import {
  agreedLimits,
  HANDSHAKE_DEFAULTS,
  isOverlong,
  OVERLONG,
  ownLimits,
  readHandshake,
  sayClosing,
  sendHello,
  WIRE_VERSION,
} from "../session/handshake.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import type { ClientOutbox } from "./outbox.js";
import { pageHidden } from "./wake.js";

/** What a client remembers of its session between links. */
export interface SessionMemory {
  /** Seed of all that this client sends in the session: replayed frames keep their checksums. */
  readonly seed: number;
  /** The secret that resumes it; empty before the first welcome, and where the server keeps no sessions. */
  readonly token: Uint8Array;
  /** Highest sequence received with none missing before it. */
  readonly received: number;
  /** Lowest own sequence that can be sent again, and the one that the next new frame gets. */
  readonly oldest: number;
  readonly next: number;
  /** Set if the token is of an earlier process or page, and nothing else is known of its session: what knows what to make of the verdict. */
  readonly outbox: ClientOutbox | undefined;
  /** Counts the attempts, from 1. */
  readonly attempt: number;
}

/** Who gets what comes of a handshake: one of the two calls, once. */
export interface HandshakeTarget {
  /** The server has welcomed this side. Takes the link over before any frame that follows. */
  welcomed(link: Link, agreement: NegotiatedSettings, welcome: Welcome | undefined): void;
  /** The link ended before that. */
  refused(end: LinkEnd): void;
}

class Handshake implements LinkOwner {
  readonly handshaking = true;
  readonly onDamage = HANDSHAKE_DEFAULTS.onDamage;
  readonly onWritable = HANDSHAKE_DEFAULTS.onWritable;
  readonly onPing = HANDSHAKE_DEFAULTS.onPing;
  readonly onClosing = sayClosing;
  readonly #memory: SessionMemory;
  readonly #target: HandshakeTarget;
  readonly #options: ResolvedConnectionOptions;

  constructor(memory: SessionMemory, target: HandshakeTarget, options: ResolvedConnectionOptions) {
    this.#memory = memory;
    this.#target = target;
    this.#options = options;
  }

  onFrame(link: Link, frame: FrameView): void {
    let welcome: Welcome;
    let agreement: NegotiatedSettings;
    try {
      if (isOverlong(frame)) return link.fail("protocol-violation", OVERLONG);
      if (frame.kindNumber === KIND_GOAWAY) {
        const { closeCode, reason } = readHandshake(frame, Goaway, "goaway");
        return link.endedByPeer(closeCode === 0 ? 4509 : closeCode, reason);
      }
      if (frame.kindNumber !== KIND_WELCOME) {
        throw new FramewireError("protocol-violation", "the first frame is not a welcome");
      }
      welcome = readHandshake(frame, Welcome, "welcome");
      if (welcome.version !== WIRE_VERSION) {
        return link.fail("version-unsupported", `the server chose version ${welcome.version}; this client speaks ${WIRE_VERSION}`);
      }
      agreement = agreementOf(welcome, this.#memory);
    } catch (error) {
      return link.fail("protocol-violation", (error as Error).message, error);
    }
    link.secureIncoming(welcome.checksumSeed);
    link.batching = welcome.capabilities?.batching === true;
    link.heartbeat = heartbeatOf(this.#options, welcome);
    this.#target.welcomed(link, agreement, welcome);
  }

  onEnd(_link: Link, end: LinkEnd): void {
    this.#target.refused(end);
  }
}

/**
 * The server drives the heartbeat. The client asks by itself only when the server's ping is overdue: by its own interval, or by
 * the server's if that is shorter.
 */
function heartbeatOf(options: ResolvedConnectionOptions, server: Pick<Welcome, "heartbeatIntervalMs" | "heartbeatTimeoutMs">): Heartbeat {
  const { heartbeatIntervalMs: interval, heartbeatTimeoutMs: visible, heartbeatTimeoutHiddenMs: hidden } = options;
  const timeout = Math.min(visible, server.heartbeatTimeoutMs || visible);
  return {
    intervalMs: interval && Math.min(interval, server.heartbeatIntervalMs || interval) + timeout / 2,
    timeoutMs: () => (pageHidden() ? hidden : timeout),
  };
}

/**
 * Opens a link over `transport` and hands it to `target` once the server has welcomed it. Nothing of the application
 * is sent before that: what a server never confirmed could be lost or handled twice. An abort of `signal` ends it.
 * A version 1 server has no handshake: `withoutHello` is what holds with one.
 */
export function shakeHands(
  transport: Transport,
  withoutHello: NegotiatedSettings | undefined,
  hello: Pick<Hello, "peer" | "credentials" | "schemaFingerprint">,
  memory: SessionMemory,
  target: HandshakeTarget,
  options: ResolvedConnectionOptions,
  clock: Clock,
  signal: AbortSignal,
): void {
  const link = new Link(transport, new Handshake(memory, target, options), options, clock, heartbeatOf(options, options));
  link.start();
  if (withoutHello !== undefined) return target.welcomed(link, withoutHello, undefined);
  signal.addEventListener("abort", () => leave(link, signal.reason), { once: true });
  sendHello(link, {
    ...hello,
    minVersion: WIRE_VERSION,
    maxVersion: WIRE_VERSION,
    checksumSeed: memory.seed,
    limits: ownLimits(options),
    capabilities: { batching: true },
    resume:
      memory.token.length === 0
        ? undefined
        : {
            token: memory.token,
            restarted: memory.outbox !== undefined,
            received: BigInt(memory.received),
            oldest: BigInt(memory.oldest),
            attempt: memory.attempt,
          },
  });
  link.flush();
}

/** The client lets go of a handshake: the server is told why, unless the platform's signals know no reason (React Native). */
function leave(link: Link, reason: FramewireError | undefined): void {
  link.close(reason?.code === "handshake-timeout" ? 4500 : 1000, reason?.message ?? "");
}

/** What the welcome says of limits and of the session. @throws FramewireError `protocol-violation` if its numbers cannot be. */
function agreementOf(welcome: Welcome, memory: SessionMemory): NegotiatedSettings {
  const { verdict, token, limits, toClient, toServer } = welcome;
  const base: NegotiatedSettings = { version: 2, ...agreedLimits(limits), resumable: token.length > 0 };
  if (verdict !== VERDICT_RESUMED && verdict !== VERDICT_GAP) return base;
  const peerReceived = Number(welcome.received);
  const lostIn = toClient && gapEvent("in", toClient);
  const lostOut = toServer && gapEvent("out", toServer);
  if (memory.outbox !== undefined) return { ...base, resumed: memory.outbox.startAnew(peerReceived, lostIn) };
  // A wrong number would not show now: it would silence one direction for good.
  const possible =
    memory.token.length > 0 &&
    peerReceived < memory.next &&
    peerReceived + 1 >= memory.oldest &&
    (lostIn === undefined || (lostIn.from === memory.received + 1 && lostIn.to >= lostIn.from && Number.isSafeInteger(lostIn.to))) &&
    (lostOut === undefined || (lostOut.from >= 1 && lostOut.from <= lostOut.to && lostOut.to <= peerReceived));
  if (!possible) throw new FramewireError("protocol-violation", "the welcome has impossible sequences");
  return { ...base, resumed: { peerReceived, lostIn, lostOut } };
}

function gapEvent(direction: "in" | "out", { from, to, reason }: Gap) {
  return { direction, from: Number(from), to: Number(to), reason };
}
