/** A realm with the globals of React Native and nothing else, in which tests run what Metro would bundle. */
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build, type Rolldown } from "vite";
import { WebSocket } from "ws";
import { type NativeSide, REACT_NATIVE_GLOBALS, type SocketEvent } from "./globals.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Bundles a script as an application for React Native: the exports map is read with its condition. */
export async function bundleForReactNative(entry: string): Promise<{ readonly code: string; readonly modules: readonly string[] }> {
  const result = await build({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["react-native", "import", "default"] },
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      minify: false,
      rolldownOptions: { input: entry, output: { format: "iife" } },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  const chunks = output.flatMap((part) => (part.type === "chunk" ? [part] : []));
  return { code: chunks.map(({ code }) => code).join("\n"), modules: chunks.flatMap(({ moduleIds }) => moduleIds) };
}

export class ReactNative {
  readonly #context = createContext({});
  readonly #sockets = new Map<number, WebSocket>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #opened = new Set<number>();
  #lastTimer = 0;
  /** What was written to the console. */
  readonly logged: string[] = [];
  /** The addresses that sockets were opened to. */
  readonly urls: string[] = [];
  /** The first message of each socket, as base64. */
  readonly openings: string[] = [];

  /** `more`: a script that changes the globals before the application sees them. */
  constructor(more = "") {
    Object.assign(this.#context, { native: this.#native() });
    runInContext(`{${REACT_NATIVE_GLOBALS}}\n${more}`, this.#context, { filename: "react-native" });
  }

  /** Runs a script; gives what its last expression gives. */
  run(code: string): unknown {
    return runInContext(code, this.#context, { filename: "app" });
  }

  /** Ends everything that would still run. */
  end(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const socket of this.#sockets.values()) socket.terminate();
  }

  #native(): NativeSide {
    return {
      setTimeout: (run, delayMs) => {
        const id = ++this.#lastTimer;
        const timer = setTimeout(() => {
          this.#timers.delete(id);
          run();
        }, delayMs);
        this.#timers.set(id, timer);
        return id;
      },
      clearTimeout: (id) => {
        clearTimeout(this.#timers.get(id));
        this.#timers.delete(id);
      },
      now: () => performance.now(),
      log: (text) => void this.logged.push(String(text)),
      utf8Encode: (text) => Buffer.from(text).toString("base64"),
      utf8Decode: (base64, fatal, ignoreBOM) => new TextDecoder("utf-8", { fatal, ignoreBOM }).decode(Buffer.from(base64, "base64")),
      base64Of: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
      bytesOf: (base64) => Buffer.from(base64, "base64"),
      connect: (url, protocols, id) => this.#connect(url, protocols, id),
      sendBinary: (base64, id) => {
        if (!this.#opened.has(id)) this.openings.push(base64);
        this.#opened.add(id);
        this.#sockets.get(id)?.send(Buffer.from(base64, "base64"));
      },
      sendText: (text, id) => this.#sockets.get(id)?.send(text),
      close: (code, reason, id) => this.#sockets.get(id)?.close(code, reason),
    };
  }

  #connect(url: string, protocols: readonly string[] | null, id: number): void {
    this.urls.push(url);
    const socket = new WebSocket(url, [...(protocols ?? [])], { perMessageDeflate: false });
    this.#sockets.set(id, socket);
    let failed = false;
    const tell = (event: SocketEvent) =>
      (this.#context as { socketEvent?: (id: number, event: SocketEvent) => void }).socketEvent?.(id, event);
    socket.on("open", () => tell({ type: "open", protocol: socket.protocol }));
    socket.on("message", (data: Buffer, binary) => {
      tell(binary ? { type: "binary", base64: data.toString("base64") } : { type: "text", text: data.toString() });
    });
    socket.on("error", ({ message }) => {
      failed = true;
      tell({ type: "failed", message });
    });
    socket.on("close", (code, reason) => {
      this.#sockets.delete(id);
      // A connection that breaks has failed; it was not closed.
      if (!failed)
        tell(code === 1006 ? { type: "failed", message: "connection lost" } : { type: "closed", code, reason: reason.toString() });
    });
  }
}
