/** What a case has in its hands: it opens links and sessions to the peer under test, and closes them behind it. */
import { encodeFrame, type Frame } from "../../codec/index.js";
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { Hello, ResumeVerdict, Welcome } from "../../gen/framewire/v1/session.js";
import type { Transport } from "../../link/transport.js";
import { KitSession, type SessionSettings } from "./session.js";
import type { Trace } from "./trace.js";
import { Mismatch, NotApplicable, tellFrame } from "./verdict.js";
import { Wire } from "./wire.js";

/** What a peer is tested for. `minimal`: it sends no sequences, asks for nothing again and never resumes. */
export type Profile = "full" | "minimal";

/** Where links come from: the kit connects, or waits for the peer to. */
export interface LinkSource {
  /** The peer is a server if the kit connects. */
  readonly role: "client" | "server";
  open(version: 1 | 2): Promise<Transport>;
}

export interface OpenSettings extends SessionSettings {
  readonly hello?: Partial<Hello>;
  /** What the welcome says, made from the hello that came. */
  readonly welcome?: (hello: Hello) => Partial<Welcome>;
  /** Bytes behind the fields of hello or welcome. */
  readonly more?: Uint8Array;
}

export class Kit {
  readonly #source: LinkSource;
  readonly timeoutMs: number;
  readonly #wires: Wire[] = [];
  readonly #sessions: KitSession[] = [];

  readonly #profile: Profile;
  readonly #trace: Trace | undefined;

  constructor(source: LinkSource, timeoutMs: number, profile: Profile = "full", trace?: Trace) {
    this.#source = source;
    this.timeoutMs = timeoutMs;
    this.#profile = profile;
    this.#trace = trace;
  }

  /** The kit's end of the connections. */
  get role(): "client" | "server" {
    return this.#source.role;
  }

  /** Opens a link and says nothing. */
  async link(version: 1 | 2): Promise<Wire> {
    const transport = await this.#source.open(version);
    const wire = new Wire(transport, this.timeoutMs, this.#trace?.link(transport.info.messages));
    wire.transport.resume();
    this.#wires.push(wire);
    return wire;
  }

  /** Opens a session. */
  async session(settings: OpenSettings = {}): Promise<KitSession> {
    const wire = await this.link(2);
    const session = this.sessionOver(wire, settings);
    this.#sessions.push(session);
    await this.shakeHands(session, settings);
    return session;
  }

  /** The kit's end of a session whose handshake is the case's. */
  sessionOver(wire: Wire, settings: SessionSettings = {}): KitSession {
    return new KitSession(wire, this.role, { minimal: this.#profile === "minimal", ...settings }, settings.seed ?? randomSeed());
  }

  /** Connects a session anew; the handshake is the case's. */
  async reconnect(session: KitSession, settings: OpenSettings): Promise<void> {
    session.wire.onFrame = () => {};
    session.wire = await this.link(2);
    session.seed = settings.seed ?? randomSeed();
    await this.shakeHands(session, settings);
  }

  /** Exchanges hello and welcome over the session's wire. */
  async shakeHands(session: KitSession, settings: OpenSettings): Promise<void> {
    const { wire } = session;
    const capabilities = { batching: settings.batching ?? false };
    const peer = { name: "framewire conformance", version: "1", platform: "" };
    if (this.role === "client") {
      const said = Hello.fromPartial({
        minVersion: 2,
        maxVersion: 2,
        checksumSeed: session.seed,
        limits: session.ownLimits,
        capabilities,
        peer,
        ...settings.hello,
      });
      wire.send(greeting(FrameKind.FRAME_KIND_HELLO, join(Hello.encode(said).finish(), settings.more)));
      session.welcome = await this.#firstFrame(session, FrameKind.FRAME_KIND_WELCOME, Welcome, "a welcome");
      wire.batching = capabilities.batching && session.welcome.capabilities?.batching === true;
      return;
    }
    const hello = await this.#firstFrame(session, FrameKind.FRAME_KIND_HELLO, Hello, "a hello");
    session.hello = hello;
    const verdict = hello.resume === undefined ? ResumeVerdict.RESUME_VERDICT_UNSPECIFIED : ResumeVerdict.RESUME_VERDICT_REJECTED;
    const said = Welcome.fromPartial({
      version: 2,
      checksumSeed: session.seed,
      limits: session.ownLimits,
      capabilities,
      peer,
      token: crypto.getRandomValues(new Uint8Array(32)),
      resumeWindowMs: 60_000,
      verdict,
      heartbeatIntervalMs: 30_000,
      heartbeatTimeoutMs: 20_000,
      ...settings.welcome?.(hello),
    });
    session.welcome = said;
    wire.batching = capabilities.batching && hello.capabilities?.batching === true;
    wire.send(greeting(FrameKind.FRAME_KIND_WELCOME, join(Welcome.encode(said).finish(), settings.more)));
  }

  /** Ends all links of the case; sessions are told that nobody comes back. */
  async close(): Promise<void> {
    for (const session of this.#sessions) {
      if (session.wire.ended !== undefined) continue;
      // A client that is to come again for the next case is told so; a server that the session is over.
      if (session.role === "server") session.goaway({ closeCode: closeCodeOf("going-away"), reason: "the case is over" });
      else if (!session.wire.messages) session.goaway({ closeCode: 1000 });
    }
    for (const wire of this.#wires) {
      wire.violations.length = 0;
      if (wire.ended === undefined) wire.close(this.role === "server" ? closeCodeOf("going-away") : 1000);
    }
    const ended = this.#wires.map((wire) =>
      wire.wait("an end", () => wire.ended, { anyEnd: true, timeoutMs: 100 }).catch(() => wire.cut()),
    );
    await Promise.all(ended);
  }

  /** The rules that the peer broke on any link of the case. */
  get violations(): string[] {
    return this.#wires.flatMap(({ violations }) => violations);
  }

  async #firstFrame<T extends { readonly checksumSeed: number }>(
    session: KitSession,
    kind: number,
    codec: { decode(bytes: Uint8Array): T },
    what: string,
  ): Promise<T> {
    const { wire } = session;
    let said: T | undefined;
    wire.onFrame = (frame) => {
      // Why the peer will not: the end of the link tells.
      if (frame.kind === FrameKind.FRAME_KIND_GOAWAY && said === undefined) return;
      const problem = greetingProblem(frame, kind);
      if (problem !== undefined) return wire.violate(`${problem} in place of ${what}`);
      said = codec.decode(frame.payload as Uint8Array);
      // A new session: even a pong must acknowledge nothing of the old one.
      if ("verdict" in said && said.verdict === ResumeVerdict.RESUME_VERDICT_REJECTED) session.forget();
      // What comes behind it in the same chunk is sealed already.
      wire.expectSeed(said.checksumSeed);
      session.attach(wire);
    };
    const first = wire.frames[0];
    if (first !== undefined) wire.onFrame(first);
    return wire.wait(what, () => said);
  }
}

/** What is wrong with the first frame of a link. */
function greetingProblem(frame: Frame, kind: number): string | undefined {
  const { version = 1, cmd, kind: came = 0, sequence } = frame;
  if (version === 2 && cmd === 0 && came === kind && sequence === undefined) return undefined;
  return tellFrame(frame);
}

function greeting(kind: number, payload: Uint8Array): Uint8Array {
  return encodeFrame({ version: 2, cmd: 0, kind, payload });
}

function join(bytes: Uint8Array, more: Uint8Array = new Uint8Array(0)): Uint8Array {
  return Uint8Array.of(...bytes, ...more);
}

export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] as number;
}

/** Skips the case unless `holds`. */
export function needs(holds: boolean, why: string): void {
  if (!holds) throw new NotApplicable(why);
}

/** Fails if something that should not come has come. */
export function nothing(frames: readonly Frame[], expected: string): void {
  if (frames.length > 0) throw new Mismatch(expected, frames.map(tellFrame).join(", "));
}
