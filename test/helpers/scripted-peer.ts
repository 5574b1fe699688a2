/** The scripted peer of the tests, of version 2: it does only what a test tells it to, frame by frame over a transport, with the codec and nothing above it. */
import { encodeFrame, type Frame, FrameDecoder, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, Hello, type ResumeRequest, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";

/** What a scripted peer seals its frames with. */
export const SEED = 0x1234_5678;

export class ScriptedPeer {
  /** All frames that came, the handshake's included. */
  readonly frames: Frame[] = [];
  /** Close code of a goaway, or of the transport. */
  closeCode: number | undefined;
  /** That of the transport alone. */
  closed: number | undefined;
  /** Called with each frame behind the handshake. */
  onFrame: (frame: Frame) => void = () => {};
  readonly #transport: Transport;
  readonly #decoder = new FrameDecoder();
  #seed: number | undefined;
  /** Waits for the other side's hello or welcome. */
  #greeted = false;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.open({
      onData: (chunk) => this.#decoder.push(chunk, (frame) => this.#received(frame.copy())),
      onAlive: () => {},
      onDrain: () => {},
      onViolation: () => {},
      onClose: (closeCode) => {
        this.closed = closeCode;
        this.closeCode ??= closeCode;
      },
    });
  }

  /** What came with this kind. */
  ofKind(kind: FrameKind): Frame[] {
    return this.frames.filter((frame) => (frame.kind ?? 0) === kind);
  }

  /** The last welcome. */
  get welcome(): Welcome | undefined {
    const last = this.ofKind(FrameKind.FRAME_KIND_WELCOME).at(-1);
    return last && Welcome.decode(last.payload!);
  }

  /** The last hello. */
  get hello(): Hello {
    return Hello.decode(this.ofKind(FrameKind.FRAME_KIND_HELLO).at(-1)!.payload!);
  }

  sayHello(said: Omit<Partial<Hello>, "resume"> & { readonly resume?: Partial<ResumeRequest> | undefined } = {}): void {
    const { resume, ...rest } = said;
    const hello = { minVersion: 2, maxVersion: 2, checksumSeed: SEED, ...rest, ...(resume === undefined ? {} : { resume }) };
    const payload = Hello.encode(Hello.fromPartial(hello)).finish();
    this.send({ cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload });
    this.#seed = SEED;
  }

  sayWelcome(welcome: Partial<Welcome> = {}): void {
    const payload = Welcome.encode(Welcome.fromPartial({ version: 2, checksumSeed: SEED, ...welcome })).finish();
    this.send({ cmd: 0, kind: FrameKind.FRAME_KIND_WELCOME, payload });
    this.#seed = SEED;
  }

  /** Goes on as if the handshake was done, with the other side's `seed`. */
  skipHandshake(seed: number): void {
    this.#seed = SEED;
    this.#greeted = true;
    this.#decoder.update({ checksumSeed: seed, minVersion: 2 });
  }

  send(frame: Omit<FrameInit, "version">): void {
    this.#transport.write(encodeFrame({ version: 2, ...frame }, { checksumSeed: this.#seed }));
  }

  destroy(): void {
    this.#transport.destroy();
  }

  #received(frame: Frame): void {
    this.frames.push(frame);
    if (frame.kind === FrameKind.FRAME_KIND_GOAWAY) this.closeCode = Goaway.decode(frame.payload!).closeCode || this.closeCode;
    if (this.#greeted) return this.onFrame(frame);
    this.#greeted = true;
    const codec = frame.kind === FrameKind.FRAME_KIND_HELLO ? Hello : Welcome;
    this.#decoder.update({ checksumSeed: codec.decode(frame.payload!).checksumSeed, minVersion: 2 });
  }
}
