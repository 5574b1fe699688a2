/**
 * The globals that React Native adds to those of the language, in their weakest shape, as a script: it runs in a realm that
 * has nothing else, so that `instanceof` and the like hold as they do there. What reaches outside goes through `native`,
 * in strings and numbers, as through React Native's bridge. After the sources of React Native 0.74 to 0.86.
 */

/** What the script needs of the host. */
export interface NativeSide {
  setTimeout(run: () => void, delayMs: number): number;
  clearTimeout(id: number): void;
  now(): number;
  log(text: string): void;
  /** Bytes as base64, as React Native hands them over. */
  utf8Encode(text: string): string;
  utf8Decode(base64: string, fatal: boolean, ignoreBOM: boolean): string;
  connect(url: string, protocols: readonly string[] | null, id: number): void;
  sendBinary(base64: string, id: number): void;
  sendText(text: string, id: number): void;
  close(code: number, reason: string, id: number): void;
  base64Of(bytes: Uint8Array): string;
  bytesOf(base64: string): readonly number[] | Uint8Array;
}

/** What the host calls: an event of the WebSocket with that id. */
export type SocketEvent =
  | { readonly type: "open"; readonly protocol: string }
  | { readonly type: "binary"; readonly base64: string }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "closed"; readonly code: number; readonly reason: string }
  | { readonly type: "failed"; readonly message: string };

/** Everything but the text coders, which versions before 0.85 do not have. */
export const REACT_NATIVE_GLOBALS = `
const native = globalThis.native;
delete globalThis.native;

globalThis.window = globalThis.global = globalThis.self = globalThis;
globalThis.navigator = { product: "ReactNative" };
globalThis.process = { env: { NODE_ENV: "production" } };
globalThis.performance = { now: () => native.now() };
globalThis.console = { log: native.log, warn: native.log, error: native.log };
globalThis.setTimeout = (run, delayMs, ...args) => native.setTimeout(() => run(...args), delayMs);
globalThis.clearTimeout = (id) => native.clearTimeout(id);
globalThis.setImmediate = (run, ...args) => native.setTimeout(() => run(...args), 0);
globalThis.clearImmediate = globalThis.clearTimeout;
globalThis.queueMicrotask = (run) => void Promise.resolve().then(run);

// The package abort-controller 3: a signal has no reason, no throwIfAborted, and there is no AbortSignal.timeout or any.
globalThis.AbortSignal = class AbortSignal {
  aborted = false;
  #listeners = new Map();
  addEventListener(type, listener, options) {
    if (type === "abort") this.#listeners.set(listener, options?.once === true);
  }
  removeEventListener(_type, listener) {
    this.#listeners.delete(listener);
  }
  static abort(signal) {
    if (signal.aborted) return;
    signal.aborted = true;
    for (const [listener, once] of [...signal.#listeners]) {
      if (once) signal.#listeners.delete(listener);
      listener.call(signal, { type: "abort", target: signal });
    }
  }
};
const abort = AbortSignal.abort;
delete AbortSignal.abort;
globalThis.AbortController = class AbortController {
  signal = new AbortSignal();
  abort() {
    abort(this.signal);
  }
};

// Nothing is parsed, a slash is added whatever the address ends in, and most parts are not there.
globalThis.URL = class URL {
  #url;
  constructor(url) {
    this.#url = String(url);
    if (!this.#url.endsWith("/")) this.#url += "/";
  }
  get href() {
    return this.#url;
  }
  toString() {
    return this.#url;
  }
};
for (const part of ["protocol", "host", "hostname", "port", "pathname", "search", "hash", "origin"]) {
  Object.defineProperty(URL.prototype, part, {
    get() {
      throw new Error("URL." + part + " is not implemented");
    },
  });
}

const sockets = new Map();
let lastId = 0;
globalThis.WebSocket = class WebSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  // Declared there, but never given a value.
  bufferedAmount;
  protocol;
  readyState = 0;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  #id = ++lastId;
  #binaryType;
  constructor(url, protocols) {
    this.url = url;
    sockets.set(this.#id, this);
    native.connect(url, protocols === undefined ? null : [protocols].flat(), this.#id);
  }
  get binaryType() {
    return this.#binaryType;
  }
  set binaryType(type) {
    if (type !== "blob" && type !== "arraybuffer") throw new Error("binaryType must be either 'blob' or 'arraybuffer'");
    this.#binaryType = type;
  }
  send(data) {
    if (this.readyState === WebSocket.CONNECTING) throw new Error("Still in CONNECTING state");
    if (typeof data === "string") return native.sendText(data, this.#id);
    if (!(data instanceof ArrayBuffer) && !ArrayBuffer.isView(data)) throw new Error("Unsupported data type");
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    native.sendBinary(native.base64Of(bytes), this.#id);
  }
  close(code, reason) {
    if (this.readyState >= WebSocket.CLOSING) return;
    this.readyState = WebSocket.CLOSING;
    native.close(typeof code === "number" ? code : 1000, typeof reason === "string" ? reason : "", this.#id);
  }
  happened(event) {
    switch (event.type) {
      case "open":
        this.readyState = WebSocket.OPEN;
        this.protocol = event.protocol;
        return this.onopen?.({ type: "open" });
      case "binary":
        return this.onmessage?.({ type: "message", data: Uint8Array.from(native.bytesOf(event.base64)).buffer });
      case "text":
        return this.onmessage?.({ type: "message", data: event.text });
      case "failed":
        this.readyState = WebSocket.CLOSED;
        this.onerror?.({ type: "error" });
        return this.onclose?.({ type: "close", code: 1006, reason: event.message });
      case "closed":
        this.readyState = WebSocket.CLOSED;
        return this.onclose?.({ type: "close", code: event.code, reason: event.reason });
    }
  }
};
globalThis.socketEvent = (id, event) => sockets.get(id)?.happened(event);

// Since 0.74 and 0.85, both from Hermes. Tests take them away again.
globalThis.TextEncoder = class TextEncoder {
  encode(text = "") {
    return Uint8Array.from(native.bytesOf(native.utf8Encode(String(text))));
  }
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of text) {
      const bytes = this.encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
};
globalThis.TextDecoder = class TextDecoder {
  #options;
  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(label + " is not supported");
    this.#options = { fatal, ignoreBOM };
  }
  decode(bytes = new Uint8Array(0)) {
    const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
    return native.utf8Decode(native.base64Of(view), this.#options.fatal, this.#options.ignoreBOM);
  }
};
`;

/** Hermes knows no `Symbol.asyncIterator`. It cannot be taken away from V8's own `Symbol`. */
export const WITHOUT_ASYNC_ITERATOR = `
{
  const Native = Symbol;
  globalThis.Symbol = new Proxy(function () {}, {
    apply: (_target, _self, [name]) => Native(name),
    get: (_target, name) => (name === "asyncIterator" ? undefined : Native[name]),
  });
}
`;
