/** A link over a transport that does nothing by itself, with an owner that remembers. */
import { encodeFrame, type FrameInit, type FrameView } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Link, LinkEnd, LinkOwner } from "../../src/link/link.js";
import { RateMeter, rateLimits } from "../../src/link/rate-limit.js";
import { ServedLink } from "../../src/link/served-link.js";
import type { TransportInfo } from "../../src/link/transport.js";
import { type ConnectionOptions, resolveServerOptions, type ServerLimits } from "../../src/options.js";
import { FairScheduler } from "../../src/runtime/fair-scheduler.js";
import { FlushRounds } from "../../src/runtime/flush-rounds.js";
import type { HandshakeThrottle } from "../../src/runtime/handshake-throttle.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { FakeTransport } from "../helpers/fake-transport.js";

export class LinkBench implements LinkOwner {
  readonly clock: VirtualClock;
  readonly transport: FakeTransport;
  readonly link: ServedLink;
  readonly frames: number[] = [];
  /** When a ping was asked for. */
  readonly pings: number[] = [];
  /** Whether it is in the handshake. */
  handshaking: boolean;
  end: LinkEnd | undefined;
  endedAt = 0;
  /** Runs for each frame. */
  onFrameDo: (frame: FrameView, link: Link) => void = () => {};

  constructor(
    options: ConnectionOptions & ServerLimits = {},
    info: Partial<TransportInfo> = {},
    {
      timeoutMs,
      clock = new VirtualClock(),
      scheduler = new FairScheduler(clock),
      throttle,
      rate,
    }: { timeoutMs?: () => number; clock?: VirtualClock; scheduler?: FairScheduler; throttle?: HandshakeThrottle; rate?: RateMeter } = {},
  ) {
    this.handshaking = throttle !== undefined;
    const resolved = resolveServerOptions(options);
    this.clock = clock;
    this.transport = new FakeTransport(info);
    const heartbeat = { intervalMs: resolved.heartbeatIntervalMs, timeoutMs: timeoutMs ?? (() => resolved.heartbeatTimeoutMs) };
    this.link = new ServedLink(this.transport, this, resolved, this.clock, heartbeat, rate ?? new RateMeter(rateLimits(resolved)), {
      scheduler,
      rounds: new FlushRounds(clock),
    });
    this.link.receiver.throttle = throttle;
    this.link.start();
  }

  /** The code that the link ended with, as this side means it. */
  get code(): string | undefined {
    const error = this.end?.error;
    return error instanceof FramewireError ? error.code : error === undefined ? undefined : String(error);
  }

  receive(bytes: Uint8Array): void {
    this.transport.receiver.onData(bytes);
  }

  receiveFrame(frame: Partial<FrameInit> = {}): void {
    this.receive(encodeFrame({ version: 2, cmd: 1, ...frame }));
  }

  // LinkOwner

  onFrame(link: Link, frame: FrameView): void {
    this.frames.push(frame.cmd);
    this.onFrameDo(frame, link);
  }

  onDamage(): void {}

  onWritable(): void {}

  onPing(): void {
    this.pings.push(this.clock.now());
  }

  onClosing(): void {}

  onEnd(_link: Link, end: LinkEnd): void {
    this.end = end;
    this.endedAt = this.clock.now();
  }
}
