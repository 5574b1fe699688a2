/** What a connection needs of a socket. Transports implement it; nothing else in src touches I/O. */
import type { FramewireError } from "../errors.js";

/** Who is on the other end of a TLS connection. */
export interface PeerCertificate {
  /** Distinguished name, for example `CN=phone-17`. */
  readonly subject: string;
  /** Subject alternative names as Node prints them, for example `DNS:phone-17`. */
  readonly subjectAltName: string;
  /** The `spiffe://` URI among them, if there is one. */
  readonly spiffeId: string | undefined;
}

/** What is known of a link before its first byte. */
export interface TransportInfo {
  readonly kind: "ws" | "tcp" | "tls" | "memory";
  /** Wire version that both ends agreed on below us (subprotocol, ALPN); `undefined`: the first frame decides. */
  readonly protocol: 1 | 2 | undefined;
  /** Bytes come in messages that no frame spans (WebSocket), not as one stream. */
  readonly messages: boolean;
  /** Address of the peer, `""` where there is none to know. */
  readonly remoteAddress: string;
  /** The socket is encrypted by TLS in this process, not by a proxy. Not told by the WebSockets of browsers. Default: false. */
  readonly secure?: boolean;
  /** Present if the peer proved who it is by a certificate that was verified. */
  readonly certificate?: PeerCertificate;
}

/** Of a frame or message that is longer than this, each further part of this size is progress, in bytes: the deadline starts anew. */
export const PROGRESS_BYTES = 32 * 1024;

/** One open socket. */
export interface Transport {
  readonly info: TransportInfo;
  /** Bytes written but not yet taken by the network. */
  readonly bufferedBytes: number;
  /**
   * Names the message that has begun to arrive and is not whole yet: a number that grows with each message, and within one
   * with each {@link PROGRESS_BYTES}; 0 if there is none. Only of transports that wait for whole messages themselves;
   * `onAlive` goes with every change.
   */
  readonly incomingMessage?: number;
  /** Memory of what has arrived and not been given to the receiver, in bytes: of that message, and while nothing is read. */
  readonly incomingMemory?: number;
  /**
   * The magic of the first frame that came, whichever it is; -1 where the first bytes do not look like a frame, or not all of its head came at once.
   * For the text of an error, where the platform knows it.
   */
  readonly firstMagic?: number;
  /** Once `bufferedBytes` is 0 nobody needs the memory of the bytes written any more: the system has a copy of them. */
  readonly copies?: true;
  /** Starts delivery. Called once, before anything else. */
  open(receiver: TransportReceiver): void;
  /** Writes bytes, on a transport with messages as one message. They are the transport's until `bufferedBytes` is 0; it does not change them. */
  write(bytes: Uint8Array): void;
  /** Before and after writes that may leave in one call of the system. */
  cork?(): void;
  uncork?(): void;
  /** Stops and restarts reading, where the platform can. */
  pause(): void;
  resume(): void;
  /** Sends what is written, then closes; `onClose` follows. */
  close(closeCode: number, reason: string): void;
  /** Drops the socket without sending anything more; `onClose` follows. */
  destroy(): void;
  /** Asks for a sign of life below our frames (WebSocket ping), where there is such a thing. */
  probe?(): void;
}

/** What a socket tells its connection. */
export interface TransportReceiver {
  /** Bytes arrived. They belong to the transport again when the call returns. */
  onData(chunk: Uint8Array): void;
  /**
   * A sign of life without bytes to decode, such as a WebSocket pong or a part of a message. `weight` is what the peer's
   * rate is charged for it, default 0: a frame of the transport that brings no bytes weighs as much as a frame of no use,
   * a part of a message as one frame.
   */
  onAlive(weight?: number): void;
  /**
   * The peer broke a rule of the transport, such as to send no text. The link closes because of it: with `error` if there is one, and then the
   * peer is sent nothing more.
   */
  onViolation?(message: string, error?: FramewireError): void;
  /** Written bytes went out. */
  onDrain(): void;
  /** The socket is gone: the close code as WebSocket numbers them, 1000 for a plain end, 1006 for a break. Called once, last. */
  onClose(closeCode: number, reason: string, error?: Error): void;
}
