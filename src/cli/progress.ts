/** A line on standard error that tells how far a long run has come. */
import type { StreamResult } from "./decode-stream.js";
import type { CliIo, TerminalStream } from "./io.js";

/** Runs shorter than this many bytes say nothing. */
const LARGE = 16 * 1024 * 1024;
const INTERVAL_MS = 250;

/** Shows progress if someone sees standard error and standard output goes elsewhere: rows and progress on one terminal would mix. */
export class Progress {
  readonly #stream: TerminalStream | undefined;
  readonly #total: number | undefined;
  readonly #started = performance.now();
  #shown = false;
  #next = 0;

  /** @param total bytes to come, `undefined` if nobody knows. */
  constructor({ stdout, stderr }: Pick<CliIo, "stdout" | "stderr">, total: number | undefined) {
    const worthIt = stderr.isTTY === true && stdout.isTTY !== true && (total === undefined || total >= LARGE);
    this.#stream = worthIt ? stderr : undefined;
    this.#total = total;
  }

  /** Tells how far the run is, a few times a second at most. */
  show({ bytes, frames, gaps }: StreamResult): void {
    if (this.#stream === undefined || (this.#total === undefined && bytes < LARGE)) return;
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + INTERVAL_MS;
    this.#shown = true;
    const part = this.#total === undefined ? "" : `${Math.floor((100 * bytes) / Math.max(1, this.#total))} %, `;
    const speed = bytes / 1e3 / Math.max(1, now - this.#started);
    this.#stream.write(`\r\x1b[K${part}${(bytes / 1e6).toFixed(0)} MB, ${speed.toFixed(0)} MB/s, ${frames} frames, ${gaps} gaps`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown) this.#stream?.write("\r\x1b[K");
    this.#shown = false;
  }
}
