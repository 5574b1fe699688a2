/** The far end of all sockets that a client dials, one after the other: a connector, which ScriptedPeer is not, that welcomes where a test does not say otherwise. */
import type { Connector } from "../../src/client/client-options.js";
import { encodeFrame, FrameDecoder, type FrameInit, type FrameView } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, ResumeVerdict, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";
import { memoryPair } from "../../src/transport/memory.js";

const SEED = 0x5eed;

/** One socket of a client, and what came over it. */
export class FakeLink {
  readonly #far: Transport;
  readonly #decoder = new FrameDecoder({ minVersion: 2, recovery: "close" });
  /** What the client's end of the socket is; a test may call its members late. */
  readonly near: Transport;
  readonly received: { readonly kind: number; readonly cmd: number; readonly sequence: number; readonly payload: Uint8Array }[] = [];
  hello: Hello | undefined;
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(near: Transport, far: Transport, onHello: (link: FakeLink) => void) {
    this.near = near;
    this.#far = far;
    far.open({
      onData: (chunk) =>
        this.#decoder.push(chunk, (frame) => {
          if (frame.kindNumber === FrameKind.FRAME_KIND_HELLO) {
            this.hello = Hello.decode(frame.payload.slice());
            this.#decoder.update({ checksumSeed: this.hello.checksumSeed });
            onHello(this);
          } else {
            this.received.push(factsOf(frame));
          }
        }),
      onAlive: () => {},
      onDrain: () => {},
      onClose: (code, reason) => {
        this.closed = { code, reason };
      },
    });
  }

  get open(): boolean {
    return this.closed === undefined;
  }

  /** Welcomes the client to a new session, or as `said` has it. */
  welcome(said: Partial<Welcome> = {}): void {
    const welcome: Welcome = { ...NEW_SESSION, ...said };
    this.#far.write(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_WELCOME, payload: Welcome.encode(welcome).finish() }));
  }

  /** Sends a frame of the session. */
  send(frame: Omit<FrameInit, "version">): void {
    this.#far.write(encodeFrame({ version: 2, ...frame }, { checksumSeed: SEED }));
  }

  close(code: number, reason = ""): void {
    this.#far.close(code, reason);
  }
}

function factsOf({ kindNumber, cmd, sequenceNumber, payload }: FrameView): FakeLink["received"][number] {
  return { kind: kindNumber, cmd, sequence: sequenceNumber, payload: payload.slice() };
}

const NEW_SESSION: Welcome = {
  version: 2,
  checksumSeed: SEED,
  limits: undefined,
  capabilities: { batching: true },
  peer: undefined,
  schemaFingerprint: "",
  token: new Uint8Array(32).fill(7),
  resumeWindowMs: 120_000,
  verdict: ResumeVerdict.RESUME_VERDICT_UNSPECIFIED,
  received: 0n,
  toClient: undefined,
  toServer: undefined,
  heartbeatIntervalMs: 30_000,
  heartbeatTimeoutMs: 20_000,
};

/** Gives a client its sockets. */
export class FakeServer {
  readonly links: FakeLink[] = [];
  readonly #onHello: (link: FakeLink) => void;
  /** Bytes come in messages, as on WebSocket. */
  readonly #messages: boolean;

  /** `onHello`: what the server does when a client has introduced itself; by default it welcomes it. */
  constructor(onHello: (link: FakeLink) => void = (link) => link.welcome(), { messages = true } = {}) {
    this.#onHello = onHello;
    this.#messages = messages;
  }

  readonly connector: Connector = async () => {
    const [near, far] = memoryPair({ messages: this.#messages });
    this.links.push(new FakeLink(near, far, this.#onHello));
    return near;
  };

  /** Sockets that are open now. */
  get open(): number {
    return this.links.filter((link) => link.open).length;
  }

  get last(): FakeLink {
    return this.links.at(-1) as FakeLink;
  }
}
