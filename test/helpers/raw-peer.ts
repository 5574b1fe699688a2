/** A peer that sends whatever bytes a test gives it, over a real socket, and notes what comes back. Subprotocols, TLS and broken WebSocket frames are below a transport, where ScriptedPeer cannot be. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions as TlsConnectionOptions, connect as tlsConnect } from "node:tls";
import WebSocket from "ws";
import { encodeFrame, type Frame, FrameDecoder, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import { tlsFixture } from "./transports.js";

/** How a raw peer comes to a server. */
export type RawKind = "WebSocket" | "TCP" | "TLS";

export interface RawOptions {
  /** Subprotocols or ALPN names to offer. Default: none. */
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsConnectionOptions;
}

/** How a connection ended: by the code of a close frame, or of a goaway where there are none. */
export interface RawEnd {
  readonly code: number;
  readonly reason: string;
}

export const SEED = 0x1234_5678;

/** The bytes of a hello; what is not given is as a client of today says it. */
export function helloFrame(hello: Partial<Hello> = {}): Uint8Array {
  const payload = Hello.encode(Hello.fromPartial({ minVersion: 2, maxVersion: 2, checksumSeed: SEED, ...hello })).finish();
  return encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload });
}

/** A frame behind the hello. */
export function seededFrame(frame: Omit<FrameInit, "version">): Uint8Array {
  return encodeFrame({ version: 2, ...frame }, { checksumSeed: SEED });
}

export class RawPeer {
  readonly frames: Frame[] = [];
  readonly ended: Promise<RawEnd>;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #decoder = new FrameDecoder();
  #goaway: RawEnd | undefined;
  /** Drops the socket. */
  readonly destroy: () => void;
  readonly raw: Socket | WebSocket;

  private constructor(raw: Socket | WebSocket) {
    this.raw = raw;
    if (raw instanceof WebSocket) {
      raw.on("message", (data: Buffer) => this.#received(data));
      this.#send = (bytes) => raw.send(bytes);
      this.ended = new Promise((resolve) => raw.once("close", (code, reason) => resolve({ code, reason: String(reason) })));
      this.destroy = () => raw.terminate();
    } else {
      raw.on("data", (data) => this.#received(data));
      this.#send = (bytes) => void raw.write(bytes);
      this.ended = new Promise((resolve) => raw.once("close", () => resolve(this.#goaway ?? { code: 1006, reason: "" })));
      this.destroy = () => void raw.destroy();
    }
    raw.on("error", () => {});
  }

  /** Connects. Rejects if the server does not let it get as far as its first frame. */
  static async connect(url: string, { protocols = [], headers = {}, tls = {} }: RawOptions = {}): Promise<RawPeer> {
    const { protocol, hostname: host, port } = new URL(url);
    const secure = { ca: tlsFixture("ca.pem"), servername: "localhost", ...tls };
    let raw: Socket | WebSocket;
    if (protocol.startsWith("ws")) {
      raw = new WebSocket(url, [...protocols], { perMessageDeflate: false, headers, ...(protocol === "wss:" ? secure : {}) });
      const peer = new RawPeer(raw);
      await once(raw, "open");
      return peer;
    }
    raw =
      protocol === "tcp:"
        ? connect(Number(port), host)
        : tlsConnect({ host, port: Number(port), ...(protocols.length > 0 ? { ALPNProtocols: [...protocols] } : {}), ...secure });
    const peer = new RawPeer(raw);
    await once(raw, protocol === "tcp:" ? "connect" : "secureConnect");
    return peer;
  }

  send(bytes: Uint8Array): void {
    this.#send(bytes);
  }

  /** Sends bytes below WebSocket's framing; elsewhere as `send`. */
  sendRaw(bytes: Uint8Array): void {
    const { raw } = this;
    if (raw instanceof WebSocket) (raw as unknown as { readonly _socket: Socket })._socket.write(bytes);
    else raw.write(bytes);
  }

  /** Stops and restarts reading. */
  pause(): void {
    this.raw.pause();
  }

  resume(): void {
    this.raw.resume();
  }

  /** Says hello and waits for the welcome. */
  async greet(hello: Partial<Hello> = {}): Promise<Welcome> {
    this.send(helloFrame(hello));
    while (this.frames.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    return Welcome.decode((this.frames[0] as Frame).payload as Uint8Array);
  }

  #received(bytes: Uint8Array): void {
    this.#decoder.push(bytes, (frame) => {
      if (frame.kind === FrameKind.FRAME_KIND_WELCOME) {
        this.#decoder.update({ checksumSeed: Welcome.decode(frame.payload).checksumSeed, minVersion: 2 });
      } else if (frame.kind === FrameKind.FRAME_KIND_GOAWAY) {
        const { closeCode, reason } = Goaway.decode(frame.payload);
        if (closeCode !== 0) this.#goaway = { code: closeCode, reason };
      }
      this.frames.push(frame.copy());
    });
  }
}
