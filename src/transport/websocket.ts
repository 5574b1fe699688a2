/** The WebSocket of browsers, workers, React Native and Deno. */

import { asBytes } from "../codec/bytes.js";
import { FramewireError } from "../errors.js";
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { protocolNames, versionNamed } from "../session/handshake.js";

/** Browsers tell nobody when `bufferedAmount` falls: it is looked at this often while it is not 0. */
const DRAIN_POLL_MS = 20;

/** `WebSocket.OPEN`; as a constant it is a digit in a bundle. */
const OPEN = 1;

class BrowserWebSocketTransport implements Transport {
  readonly info: TransportInfo;
  readonly #socket: WebSocket;
  #receiver: TransportReceiver | undefined;
  #polling = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.info = { kind: "ws", protocol: versionNamed("ws", socket.protocol), messages: true, remoteAddress: "" };
  }

  get bufferedBytes(): number {
    // React Native does not count what waits and leaves it undefined.
    return this.#socket.bufferedAmount || 0;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    const socket = this.#socket;
    socket.onmessage = ({ data }: MessageEvent) => {
      const bytes = asBytes(data);
      if (bytes !== undefined) receiver.onData(bytes);
      else receiver.onViolation?.("text messages are not taken");
    };
    socket.onclose = ({ code, reason }: CloseEvent) => receiver.onClose(code, reason);
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState !== OPEN) return;
    this.#socket.send(bytes as Uint8Array<ArrayBuffer>);
    this.#poll();
  }

  pause(): void {
    // No browser can pause a WebSocket (https://github.com/whatwg/websockets/issues/17): streams are bounded by credits.
  }

  resume(): void {}

  close(closeCode: number, reason: string): void {
    // Browsers refuse to send any code below 3000 but 1000.
    this.#socket.close(closeCode < 3000 ? 1000 : closeCode, reason);
  }

  destroy(): void {
    this.#socket.close();
  }

  #poll(): void {
    if (this.#polling || this.bufferedBytes === 0) return;
    this.#polling = true;
    setTimeout(() => {
      this.#polling = false;
      this.#receiver?.onDrain();
      this.#poll();
    }, DRAIN_POLL_MS);
  }
}

/** Connects to `ws://…` or `wss://…` with the platform's WebSocket. Rejects with `connect-failed`. */
export function connectWebSocket(url: string, versions: readonly (1 | 2)[], signal: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string) => reject(new FramewireError("connect-failed", `could not connect to ${redactedUrl(url)}: ${why}`));
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, protocolNames("ws", versions));
    } catch (error) {
      // Without the platform's own error, which holds the URL as it was given.
      return refuse((error as Error).name);
    }
    // Blobs are read asynchronously and would overtake each other.
    socket.binaryType = "arraybuffer";
    // React Native gives the reason of a close. Browsers show it in their developer tools and keep it from pages.
    const fail = ({ reason }: Partial<CloseEvent>) => {
      signal.removeEventListener("abort", fail);
      socket.onopen = socket.onclose = null;
      socket.close();
      refuse(reason || "browsers give no reason");
    };
    signal.addEventListener("abort", fail, { once: true });
    socket.onclose = fail;
    socket.onopen = () => {
      signal.removeEventListener("abort", fail);
      resolve(new BrowserWebSocketTransport(socket));
    };
  });
}
