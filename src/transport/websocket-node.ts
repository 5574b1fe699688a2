import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import WebSocket, { type RawData } from "ws";
import { FramewireError } from "../errors.js";
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
import { CHUNK_MEMORY } from "../runtime/memory-costs.js";
import { noteOutside } from "../runtime/outside-heap.js";
import { versionNamed } from "../session/handshake.js";
import { describeCertificate } from "./certificate.js";
import { DrainOnClose } from "./drain-on-close.js";
import { magicOf } from "./first-bytes.js";
import { MessageBoundary } from "./message-boundary.js";
import { InPlaceSocket } from "./read-in-place.js";
import { KEEPALIVE_MS } from "./tcp.js";

/** Whether a close frame may carry the code, RFC 6455 section 7.4. The library throws for all others. */
function sendable(closeCode: number): boolean {
  if (closeCode >= 3000) return closeCode <= 4999;
  return closeCode >= 1000 && closeCode <= 1014 && (closeCode < 1004 || closeCode > 1006);
}

/** Where a socket keeps its transport, so that one set of listeners serves all of them. */
const kTransport = Symbol("transport");

interface Owned {
  [kTransport]: NodeWebSocketTransport;
}

/** Fragments that any message may come in, of one byte even: each costs memory of its own until the message is whole. */
const FRAGMENTS = 256;
/** Fragments of this size are no more than the largest message allows. */
const FRAGMENT_BYTES = 4096;
/** The same for the chunks that the socket brings a frame in. */
const CHUNK_BYTES = 64;

/** How the library is to treat sockets that a {@link NodeWebSocketTransport} is made of, for messages of at most `maxMessage` bytes. */
export function socketSettings(maxMessage: number) {
  return {
    perMessageDeflate: false,
    maxPayload: maxMessage,
    maxFragments: FRAGMENTS + Math.ceil(maxMessage / FRAGMENT_BYTES),
    maxBufferedChunks: FRAGMENTS + Math.ceil(maxMessage / CHUNK_BYTES),
    // The transport answers pings itself.
    autoPong: false,
  };
}

/** Serves every transport that is not within a message, which is nearly all of them at any time. */
let betweenMessages = new MessageBoundary();

export class NodeWebSocketTransport implements Transport {
  readonly info: TransportInfo;
  readonly copies = true;
  readonly #socket: WebSocket;
  /** The TCP socket below. Bun has none for a client. */
  readonly #raw: Socket | undefined;
  /** What a client sends is masked, RFC 6455 section 5.3: the library copies it for that. */
  readonly #client: boolean;
  #receiver: TransportReceiver | undefined;
  /** There while a message is under way. */
  #boundary: MessageBoundary | undefined;
  /** There since this side closed, and for what comes behind a close of the peer. */
  #drain: DrainOnClose | undefined;
  #peerClosed = false;
  /** Payload of the last ping that is not answered. */
  #ping: Buffer | undefined;
  /** The library is being handed a chunk that has been followed already. */
  #lending = false;
  /** Something that was written waits for the peer to read. */
  #waiting = false;
  readonly #sent = () => this.#written();
  /** What broke the socket, for `onClose`. */
  failure: Error | undefined;
  firstMagic = -1;

  /** Takes over an open WebSocket. `address`: the peer's, where that of the socket is a proxy's. `client`: this end has connected. */
  constructor(socket: WebSocket, raw: Socket | TLSSocket | undefined, address?: string, client = false) {
    this.#socket = socket;
    this.#client = client;
    this.#raw = raw;
    raw?.setKeepAlive(true, KEEPALIVE_MS);
    const secure = raw !== undefined && "getPeerCertificate" in raw;
    const certificate = secure && raw.authorized ? describeCertificate(raw.getPeerCertificate()) : undefined;
    this.info = {
      kind: "ws",
      protocol: versionNamed("ws", socket.protocol),
      messages: true,
      remoteAddress: address ?? raw?.remoteAddress ?? "",
      secure,
      ...(certificate === undefined ? {} : { certificate }),
    };
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  get incomingMessage(): number {
    return this.#boundary === undefined ? 0 : this.#boundary.current;
  }

  get incomingMemory(): number {
    return (this.#raw?.readableLength ?? 0) + (this.#boundary === undefined ? 0 : this.#boundary.memory);
  }

  /** Who hears of what the socket brings. Not before `open`. */
  get receiver(): TransportReceiver {
    return this.#receiver as TransportReceiver;
  }

  open(receiver: TransportReceiver): void {
    const socket = this.#socket;
    this.#receiver = receiver;
    const raw = this.#raw;
    (socket as unknown as Owned)[kTransport] = this;
    socket.on("message", onFirstMessage);
    socket.on("ping", onPing);
    socket.on("pong", onPong);
    socket.on("error", onError);
    socket.on("close", onClose);
    if (raw !== undefined) {
      (raw as unknown as Owned)[kTransport] = this;
      // Before the library: what it keeps to itself, pings and parts of messages, is charged before it is worked on.
      raw.prependListener("data", onRawData);
      if (raw instanceof InPlaceSocket)
        raw.open(
          (chunk) => this.#lend(raw, chunk),
          () => receiver.onAlive(0),
        );
    }
    if (socket.readyState === WebSocket.CLOSED) queueMicrotask(() => receiver.onClose(1006, ""));
    socket.resume();
  }

  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (socket.readyState !== WebSocket.OPEN) return;
    if (this.#client) noteOutside(bytes.length);
    socket.send(bytes, this.#sent);
    if (socket.bufferedAmount > 0) this.#waiting = true;
  }

  /** The system has taken a message, or the socket is gone. */
  #written(): void {
    if (!this.#waiting || this.#socket.bufferedAmount > 0) return;
    this.#waiting = false;
    this.pong();
    this.receiver.onDrain();
  }

  cork(): void {
    this.#raw?.cork();
  }

  uncork(): void {
    this.#raw?.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(closeCode: number, reason: string): void {
    if (!sendable(closeCode)) return this.destroy();
    this.#socket.close(closeCode, reason);
    if (this.#raw !== undefined) this.#drainOnClose(this.#raw);
  }

  /** From here on nothing is read but for the peer's half of the closing handshake, which comes behind all that it has sent. */
  #drainOnClose(raw: Socket): void {
    for (const listener of raw.listeners("data")) {
      if (listener !== onRawData) raw.off("data", listener as (chunk: Buffer) => void);
    }
    this.#socket.resume();
    this.#drain = new DrainOnClose(raw);
  }

  destroy(): void {
    this.#socket.terminate();
  }

  probe(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  /** A message, whole. */
  message(data: Uint8Array): void {
    this.receiver.onData(data);
  }

  /** A ping came. Of several that wait for an answer only the last gets one, RFC 6455 section 5.5.3. */
  pinged(payload: Buffer): void {
    if (this.#ping === undefined) process.nextTick(pong, this);
    this.#ping = payload;
  }

  /** Answers the last ping, once the peer has read what was written before. */
  pong(): void {
    const ping = this.#ping;
    if (ping === undefined || this.#waiting) return;
    this.#ping = undefined;
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pong(ping);
  }

  /** Every chunk of the socket below, before the library deals with it. */
  received(raw: Socket, chunk: Uint8Array): void {
    if (this.#lending) return;
    if (this.#drain === undefined) noteOutside(chunk.length);
    // A view of a fragment keeps all of the chunk that it came in.
    this.#follow(raw, chunk, true);
  }

  /** A chunk in memory that is read into again. What the library keeps of it, the start of a message, it gets as a copy. */
  #lend(raw: Socket, chunk: Uint8Array): void {
    const whole = this.#follow(raw, chunk);
    if (this.#drain !== undefined) return;
    this.#lending = true;
    if (whole > 0) raw.emit("data", Buffer.from(chunk.buffer as ArrayBuffer, chunk.byteOffset, whole));
    if (whole < chunk.length) {
      // Once here, and once where the library puts the message together.
      noteOutside(2 * (chunk.length - whole));
      raw.emit("data", ownCopy(chunk.subarray(whole)));
    }
    this.#lending = false;
  }

  /** Keeps track of messages and tells of what the library does not; gives how much of the chunk ends with a message. */
  #follow(raw: Socket, chunk: Uint8Array, keepsAll = false): number {
    if (this.#peerClosed) this.#drain ??= new DrainOnClose(raw);
    const within = this.#boundary !== undefined;
    const boundary = this.#boundary ?? betweenMessages;
    const whole = boundary.push(chunk);
    if (boundary.current === 0) {
      this.#boundary = undefined;
    } else if (this.#boundary === undefined) {
      this.#boundary = boundary;
      betweenMessages = new MessageBoundary();
    }
    if (this.#boundary !== undefined) boundary.memory += CHUNK_MEMORY + chunk.length - (keepsAll ? 0 : whole);
    const { weight, closed } = boundary;
    this.#peerClosed ||= closed;
    if (this.#drain !== undefined) this.#drained(raw, chunk.length, closed);
    // A chunk of messages, whole and not empty, needs no word of it: they will come.
    else if (whole < chunk.length || within || weight > 0) this.receiver.onAlive(weight);
    return whole;
  }

  /** So much was read behind this side's close. */
  #drained(raw: Socket, bytes: number, closed: boolean): void {
    if (closed) raw.end();
    else this.#drain?.dropped(bytes);
  }
}

/** Not `Buffer.from`: a few bytes of its pool would keep 8 KiB. */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

function onMessage(this: unknown, data: RawData, isBinary: boolean): void {
  const transport = (this as Owned)[kTransport];
  if (isBinary) transport.message(data as Buffer);
  else transport.receiver.onViolation?.("text messages are not taken");
}

/** As {@link onMessage}. From then on that listens. */
function onFirstMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  this.off("message", onFirstMessage);
  this.on("message", onMessage);
  if (isBinary) (this as unknown as Owned)[kTransport].firstMagic = magicOf(data as Buffer);
  onMessage.call(this, data, isBinary);
}

function onPing(this: unknown, payload: Buffer): void {
  (this as Owned)[kTransport].pinged(payload);
}

function pong(transport: NodeWebSocketTransport): void {
  transport.pong();
}

function onPong(this: unknown): void {
  (this as Owned)[kTransport].receiver.onAlive();
}

function onRawData(this: Socket, chunk: Buffer): void {
  (this as unknown as Owned)[kTransport].received(this, chunk);
}

/** The library closes by itself with 1009, 1008, 1002 or 1007; this is what it closes for. */
function onError(this: unknown, error: Error & { readonly code?: string }): void {
  const { code = "" } = error;
  (this as Owned)[kTransport].failure =
    code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
      ? new FramewireError("frame-too-large", "a message is longer than the largest frame", { fault: "remote", cause: error })
      : code === "WS_ERR_TOO_MANY_BUFFERED_PARTS"
        ? new FramewireError("rate-exceeded", "a message in more fragments than a frame needs", { fault: "remote", cause: error })
        : code.startsWith("WS_ERR_")
          ? new FramewireError("protocol-violation", `not WebSocket: ${error.message}`, { fault: "remote", cause: error })
          : error;
}

function onClose(this: unknown, closeCode: number, reason: Buffer): void {
  const { receiver, failure } = (this as Owned)[kTransport];
  receiver.onClose(closeCode, reason.toString(), failure);
}
