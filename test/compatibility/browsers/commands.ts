/** Commands as JSON over one WebSocket, each with a number that its answer bears: the DevTools protocol and WebDriver BiDi alike. */
import { once } from "node:events";
import { WebSocket } from "ws";

/** A page that hangs must fail its test, not stop the run. */
const ANSWER_MS = 60_000;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly message?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Commands {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => this.#answered(JSON.parse(String(data)) as Answer));
    socket.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser is gone"));
      this.#waiting.clear();
    });
    socket.on("error", () => {});
  }

  static async connect(url: string): Promise<Commands> {
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
    await once(socket, "open");
    return new Commands(socket);
  }

  /** `more` stands beside the parameters, such as the DevTools protocol's `sessionId`. */
  async send<T = unknown>(method: string, params: object = {}, more: object = {}): Promise<T> {
    const id = ++this.#last;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.set(id, {
          resolve: (result) => resolve(result as T),
          reject: (error) => reject(new Error(`${method}: ${error.message}`)),
        });
        timer = setTimeout(() => reject(new Error(`${method} was not answered within ${ANSWER_MS} ms`)), ANSWER_MS);
        this.#socket.send(JSON.stringify({ id, method, params, ...more }));
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #answered({ id, result, error, message }: Answer): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(message ?? JSON.stringify(error)));
  }
}
