/** Where a command reads and writes, so that it runs the same in a test as in a shell. */
import type { Writable } from "node:stream";
import { printable } from "../printable.js";

/** A standard stream that may be a terminal. */
export type TerminalStream = Writable & {
  /** Whether a person is looking. */
  readonly isTTY?: boolean;
  /** Width of the terminal, in characters. */
  readonly columns?: number;
};

/** The process around a command. */
export interface CliIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** As {@link printable}, with the line breaks of `text` left as they are: for messages of several lines. */
export function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join("\n");
}

/**
 * Lines on their way to standard output. They are collected while a chunk is decoded and handed over in `flush`, which
 * waits until the stream has taken them: a slow reader slows the command down instead of filling its memory.
 */
export class Output {
  readonly #stream: Writable;
  #lines: string[] = [];
  #closed = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    // The error reaches flush through the write's callback; without a listener it would end the process as well.
    stream.on("error", () => undefined);
  }

  /** Whether the reader has gone away (`framewire decode … | head`): nothing more can be written. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Adds a line; the line break is put in here. */
  line(text: string): void {
    this.#lines.push(text);
  }

  /**
   * Writes what has been collected.
   * @throws the stream's error, except that a reader that has gone away only sets `closed`.
   */
  async flush(): Promise<void> {
    if (this.#closed || this.#lines.length === 0) return;
    const text = `${this.#lines.join("\n")}\n`;
    this.#lines = [];
    const error = await new Promise<Error | null | undefined>((resolve) => this.#stream.write(text, resolve));
    if (error == null) return;
    if (!isGone(error)) throw error;
    this.#closed = true;
  }
}

function isGone(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "ECONNRESET";
}
