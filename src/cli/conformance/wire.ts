/** One link to the peer under test, as bytes and frames: it sends whatever it is told to, and notes what comes. */
import { type Frame, FrameDecoder } from "../../codec/index.js";
import { codeOfCloseCode } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { Goaway } from "../../gen/framewire/v1/session.js";
import type { Transport } from "../../link/transport.js";
import { TcpTransport } from "../../transport/tcp.js";
import { Mismatch, tellFrames, Violation } from "./verdict.js";

/** The largest payload that the kit reads: above what it allows its peer, so that it sees who does not keep to that. */
const READS_AT_MOST = 64 * 1024 * 1024;

/** The largest payload of a frame of the kinds 8 to 12. */
const MAX_CONTROL_PAYLOAD = 1024;

/** How a link ended. `code`: of WebSocket's close frame, elsewhere of the goaway before it. */
export interface WireEnd {
  readonly code: number | undefined;
  readonly reason: string;
}

/** Hears of everything that goes over a link. */
export interface WireTap {
  bytes(direction: "sent" | "came", bytes: Uint8Array): void;
  ended(how: string): void;
}

export class Wire {
  readonly transport: Transport;
  /** Everything that came, in order. */
  readonly frames: Frame[] = [];
  /** Rules of the page that the peer broke, whatever the case is about. */
  readonly violations: string[] = [];
  /** Told of each frame. */
  onFrame: (frame: Frame) => void = () => {};
  ended: WireEnd | undefined;
  /** The socket broke, or the peer reset it. */
  reset = false;
  /** Both sides have said that a message may hold several frames. */
  batching = false;
  readonly #timeoutMs: number;
  readonly #decoder: FrameDecoder;
  readonly #watchers = new Set<() => void>();
  #goaway: Goaway | undefined;
  /** When the last bytes came. */
  heardAt = performance.now();

  readonly #tap: WireTap | undefined;
  /** What is to be sent behind bytes that leave in pieces. */
  #inPieces: Uint8Array[] | undefined;

  constructor(transport: Transport, timeoutMs: number, tap?: WireTap) {
    this.transport = transport;
    this.#tap = tap;
    this.#timeoutMs = timeoutMs;
    this.#decoder = new FrameDecoder({
      maxPayload: READS_AT_MOST,
      onDiscard: ({ start, end, reason }) => this.violate(`${end - start} bytes are no frame (${reason})`),
    });
    transport.open({
      onData: (chunk) => this.#read(chunk),
      onAlive: () => {},
      onDrain: () => {},
      onViolation: (message) => this.violate(message),
      onClose: (code, reason) => {
        if (!this.messages) this.#decoder.flush((frame) => this.#take(frame.copy()));
        this.reset = code === 1006;
        const code_ = this.#goaway?.closeCode || (this.messages ? code : undefined);
        this.ended ??= { code: this.messages ? code : code_, reason: this.#goaway?.reason ?? reason };
        this.#tap?.ended(this.tellEnd());
        this.#changed();
      },
    });
  }

  /** Bytes come in messages, as on WebSocket. */
  get messages(): boolean {
    return this.transport.info.messages;
  }

  /** What the peer's frames are sealed with from here on. */
  expectSeed(seed: number): void {
    this.#decoder.update({ checksumSeed: seed, minVersion: 2 });
  }

  violate(what: string): void {
    this.violations.push(what);
    this.#changed();
  }

  /** Sends bytes; on WebSocket as one message. */
  send(bytes: Uint8Array): void {
    if (this.#inPieces !== undefined) {
      this.#inPieces.push(bytes);
      return;
    }
    this.#tap?.bytes("sent", bytes);
    // A transport owns what it is given.
    this.transport.write(bytes.slice());
  }

  /** Sends bytes in pieces that leave one after the other. */
  async sendInPieces(bytes: Uint8Array, size: number): Promise<void> {
    const waiting: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      this.send(bytes.subarray(at, at + size));
      // What answers the peer meanwhile, such as a pong, would fall into the middle of a frame.
      this.#inPieces = [];
      await new Promise((resolve) => setTimeout(resolve, 1));
      waiting.push(...this.#inPieces);
      this.#inPieces = undefined;
    }
    for (const each of waiting) this.send(each);
  }

  /** Goes on when the peer has ended its half of a TCP stream: the link ends when it is cut, or when the peer takes no more bytes. */
  keepOpen(): void {
    if (this.transport instanceof TcpTransport) this.transport.allowHalfOpen();
  }

  /** Cuts the link without a word. */
  cut(): void {
    this.transport.destroy();
  }

  close(code: number, reason = "the case is over"): void {
    this.transport.close(code, reason);
  }

  /**
   * Waits until `probe` gives something.
   * @param expected what it is that should come, for the message if it does not.
   * @param anyEnd the end of the link does not end the wait by itself
   * @throws Mismatch after the time that the kit was given, when the link ends, or at a broken rule
   */
  wait<T>(expected: string, probe: () => T | undefined, options: { anyEnd?: boolean; timeoutMs?: number } = {}): Promise<T> {
    const since = this.frames.length;
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const fail = (came: string) => {
        done();
        reject(new Mismatch(expected, came));
      };
      const look = () => {
        let found: T | undefined;
        try {
          found = probe();
        } catch (error) {
          done();
          return reject(error);
        }
        if (found !== undefined) {
          done();
          resolve(found);
        } else if (this.violations.length > 0) {
          done();
          reject(new Violation(expected, this.violations[0] as string));
        } else if (this.ended !== undefined && options.anyEnd !== true) {
          fail(`${this.tellEnd()}, behind ${tellFrames(this.frames.slice(since))}`);
        }
      };
      const timer = setTimeout(() => fail(`${tellFrames(this.frames.slice(since))} in ${timeoutMs} ms`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Waits until the peer closes, and for the reason given. */
  async waitForEnd(code?: number): Promise<WireEnd> {
    const expected = code === undefined ? "the connection to close" : `the connection to close with ${tellCode(code)}`;
    const end = await this.wait(expected, () => this.ended, { anyEnd: true });
    if (code !== undefined && end.code !== code) throw new Mismatch(expected, this.tellEnd());
    return end;
  }

  tellEnd(): string {
    if (this.ended === undefined) return "an open connection";
    const { code, reason } = this.ended;
    const why = reason === "" ? "" : ` (“${reason}”)`;
    return code === undefined ? "a connection that closed without a code" : `a connection that closed with ${tellCode(code)}${why}`;
  }

  #read(chunk: Uint8Array): void {
    this.heardAt = performance.now();
    this.#tap?.bytes("came", chunk);
    const before = this.frames.length;
    this.#decoder.push(chunk, (frame) => this.#take(frame.copy()));
    if (!this.messages) return;
    this.#decoder.flush((frame) => this.#take(frame.copy()));
    if (this.frames.length > before + 1 && !this.batching) this.violate("several frames in one message, without `batching`");
  }

  #take(frame: Frame): void {
    this.frames.push(frame);
    this.#checkControl(frame);
    if (frame.kind === FrameKind.FRAME_KIND_GOAWAY && (frame.version ?? 1) > 1) {
      try {
        this.#goaway = Goaway.decode(frame.payload as Uint8Array);
      } catch {
        this.violate("a goaway that cannot be decoded");
      }
    }
    this.onFrame(frame);
    this.#changed();
  }

  #checkControl({ version = 1, kind = 0, payload }: Frame): void {
    const length = payload?.length ?? 0;
    const control = version > 1 && kind >= FrameKind.FRAME_KIND_WELCOME && kind <= FrameKind.FRAME_KIND_GOAWAY;
    if (control && length > MAX_CONTROL_PAYLOAD)
      this.violate(`a frame of kind ${kind} with ${length} bytes of payload; ${MAX_CONTROL_PAYLOAD} are allowed`);
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/** `4402 protocol-violation` */
export function tellCode(code: number): string {
  const name = codeOfCloseCode(code);
  return name === undefined ? String(code) : `${code} ${name}`;
}
