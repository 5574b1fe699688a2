/** The near end of a server's sockets, written by hand: it says what a test wants it to say. */
import { encodeFrame, FrameDecoder, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, Hello, type ResumeRequest, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport, TransportInfo } from "../../src/link/transport.js";
import type { Server } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";

const SEED = 0xc11e;

/** One socket to a server, and what came over it. */
export class FakeClient {
  readonly #near: Transport;
  readonly received: { readonly kind: number; readonly cmd: number; readonly sequence: number; readonly callId: number }[] = [];
  welcome: Welcome | undefined;
  goaway: Goaway | undefined;
  closed: number | undefined;

  /** `info`: what the server knows of the socket, where that matters. */
  constructor(server: Server, info: Partial<TransportInfo> = {}) {
    const [near, far] = memoryPair({ messages: true });
    this.#near = near;
    const decoder = new FrameDecoder({ minVersion: 2, recovery: "close" });
    near.open({
      onData: (chunk) =>
        decoder.push(chunk, (frame) => {
          if (frame.kindNumber === FrameKind.FRAME_KIND_WELCOME) {
            this.welcome = Welcome.decode(frame.payload.slice());
            decoder.update({ checksumSeed: this.welcome.checksumSeed });
          } else if (frame.kindNumber === FrameKind.FRAME_KIND_GOAWAY) {
            this.goaway = Goaway.decode(frame.payload.slice());
          } else {
            const { kindNumber: kind, cmd, sequenceNumber: sequence, callIdNumber: callId } = frame;
            this.received.push({ kind, cmd, sequence, callId });
          }
        }),
      onAlive: () => {},
      onDrain: () => {},
      onClose: (code) => {
        this.closed = code;
      },
    });
    server.accept(Object.assign(far, { info: { ...far.info, ...info } }));
  }

  hello(said: Partial<Hello> = {}): void {
    const payload = Hello.encode({ ...HELLO, ...said }).finish();
    this.#near.write(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload }));
  }

  /** A hello that asks to go on with a session. */
  resume(said: Pick<ResumeRequest, "token"> & Partial<ResumeRequest>): void {
    this.hello({ resume: { received: 0n, oldest: 1n, restarted: false, attempt: 0, ...said } });
  }

  /** Sends a frame of the session. */
  send(frame: Omit<FrameInit, "version">): void {
    this.#near.write(encodeFrame({ version: 2, ...frame }, { checksumSeed: SEED }));
  }

  /** Breaks the link. */
  break(): void {
    this.#near.destroy();
  }

  close(code: number): void {
    this.#near.close(code, "");
  }
}

const HELLO: Hello = {
  minVersion: 2,
  maxVersion: 2,
  checksumSeed: SEED,
  limits: undefined,
  capabilities: { batching: true },
  peer: undefined,
  schemaFingerprint: "",
  credentials: new Uint8Array(0),
  resume: undefined,
};
