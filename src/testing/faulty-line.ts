/** One direction of a link that misbehaves as told. Bytes in, bytes out later; no socket. */
import type { Clock, Timer } from "../runtime/clock.js";
import { Queue } from "../runtime/queue.js";
import type { DirectionFaults } from "./faults.js";
import type { SeededRandom } from "./random.js";

/** Where a line ends. */
export interface LineEnd {
  /** Bytes that made it; they belong to the receiver. */
  arrived(bytes: Uint8Array): void;
  /** Everything sent has arrived, and the sender said that there is no more. */
  ended(): void;
  /** As many bytes have arrived as `cutAtByte` says. */
  broke(): void;
}

/** What a line has done. */
export interface LineStats {
  /** Bytes that arrived. */
  readonly bytes: number;
  /** Bytes that arrived with another value. */
  readonly corrupted: number;
  /** Bytes that went nowhere: sent into silence, or under way when the link was cut. */
  readonly lost: number;
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly then: "go-on" | "break" | "end";
}

/** Chunks are sliced to this much time of a limited bandwidth, so that bytes trickle as they do on a real line. */
const SLICE_SECONDS = 0.02;
const LEAST_SLICE = 256;

export class FaultyLine {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #faults: DirectionFaults;
  readonly #wholeMessages: boolean;
  readonly #end: LineEnd;
  readonly #pieces = new Queue<Piece>();
  #queuedBytes = 0;
  #timer: Timer | undefined;
  /** Bytes accepted so far. */
  #offset = 0;
  /** When the sender's last byte has left, and when it arrives. */
  #leftAt = 0;
  #arrivesAt = 0;
  #nextCorrupt: number;
  readonly #corruptAt: number[];
  #stalledUntil = 0;
  #held = false;
  #silent = false;
  #closed = false;
  #delivering = false;
  #bytes = 0;
  #corrupted = 0;
  #lost = 0;

  /** `wholeMessages`: each `send` arrives whole or not at all, as on WebSocket. */
  constructor(clock: Clock, random: SeededRandom, faults: DirectionFaults, wholeMessages: boolean, end: LineEnd) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
    this.#wholeMessages = wholeMessages;
    this.#end = end;
    this.#corruptAt = [...(faults.corruptAtBytes ?? [])].sort((a, b) => a - b);
    this.#nextCorrupt = this.#drawCorrupt(-1);
  }

  /** Starts the line: one that is cut at byte 0 breaks now. */
  start(): void {
    if (this.#faults.cutAtByte === 0) this.#push(new Uint8Array(0), "break");
    this.#deliver();
  }

  /** Bytes under way. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get silent(): boolean {
    return this.#silent;
  }

  get stats(): LineStats {
    return { bytes: this.#bytes, corrupted: this.#corrupted, lost: this.#lost };
  }

  /** Takes bytes over and lets them arrive, or not. */
  send(bytes: Uint8Array): void {
    if (this.#closed || this.#silent) {
      this.#lost += bytes.length;
      return;
    }
    const { cutAtByte = Number.POSITIVE_INFINITY, silentAtByte = Number.POSITIVE_INFINITY } = this.#faults;
    const limit = Math.min(cutAtByte, silentAtByte) - this.#offset;
    const fits = bytes.length <= limit;
    const part = fits ? bytes : this.#wholeMessages ? bytes.subarray(0, 0) : bytes.subarray(0, limit);
    const corrupted = this.#corrupt(part);
    this.#lost += bytes.length - part.length;
    this.#offset += bytes.length;
    const breaks = bytes.length >= limit && cutAtByte <= silentAtByte;
    const slice = this.#sliceLength(corrupted.length);
    for (let start = 0; start < corrupted.length; start += slice) {
      const end = Math.min(start + slice, corrupted.length);
      this.#push(corrupted.subarray(start, end), breaks && end === corrupted.length ? "break" : "go-on");
    }
    if (breaks && corrupted.length === 0) this.#push(corrupted, "break");
    if (bytes.length >= limit && !breaks) this.silence();
    this.#deliver();
  }

  /** The sender has no more: the other side learns it behind the last byte. */
  finish(): void {
    if (this.#closed || this.#silent) return;
    this.#push(new Uint8Array(0), "end");
    this.#deliver();
  }

  /** Nothing arrives for `ms`; then everything that waited does. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#clock.now() + ms);
    this.#schedule();
  }

  /** Ends a stall. */
  goOn(): void {
    this.#stalledUntil = 0;
    this.#deliver();
  }

  /** The receiver does not read for now. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#deliver();
  }

  /** From here on nothing that is sent arrives, and nobody is told. What is under way still arrives. */
  silence(): void {
    this.#silent = true;
  }

  /** The link is gone, and with it what is under way. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#lost += this.#queuedBytes;
    this.#queuedBytes = 0;
    this.#pieces.clear();
  }

  #push(bytes: Uint8Array, then: Piece["then"]): void {
    const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = this.#faults;
    const now = this.#clock.now();
    this.#leftAt = Math.max(now, this.#leftAt) + (bytesPerSecond === undefined ? 0 : (bytes.length / bytesPerSecond) * 1000);
    const jitter = jitterMs === 0 ? 0 : jitterMs * this.#random.next();
    this.#arrivesAt = Math.max(this.#arrivesAt, this.#leftAt + latencyMs + jitter);
    this.#pieces.push({ bytes, at: this.#arrivesAt, then });
    this.#queuedBytes += bytes.length;
  }

  #sliceLength(length: number): number {
    const { bytesPerSecond } = this.#faults;
    if (bytesPerSecond === undefined || this.#wholeMessages) return Math.max(1, length);
    return Math.max(LEAST_SLICE, Math.ceil(bytesPerSecond * SLICE_SECONDS));
  }

  #deliver(): void {
    // A receiver that stops and restarts reading from within `arrived` must not be handed the next bytes inside the first.
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      this.#deliverDue();
    } finally {
      this.#delivering = false;
    }
    this.#schedule();
  }

  #deliverDue(): void {
    while (!this.#closed && !this.#held) {
      const piece = this.#pieces.peek();
      if (piece === undefined || Math.max(piece.at, this.#stalledUntil) > this.#clock.now()) return;
      this.#pieces.shift();
      this.#queuedBytes -= piece.bytes.length;
      this.#bytes += piece.bytes.length;
      if (piece.bytes.length > 0) this.#end.arrived(piece.bytes);
      if (piece.then === "break") return this.#end.broke();
      if (piece.then === "end") return this.#end.ended();
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    const piece = this.#pieces.peek();
    if (piece === undefined || this.#closed || this.#held) return;
    const at = Math.max(piece.at, this.#stalledUntil);
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), () => this.#deliver());
  }

  /** Copies before it changes: the sender may keep its bytes. */
  #corrupt(bytes: Uint8Array): Uint8Array {
    const end = this.#offset + bytes.length;
    if (this.#nextCorrupt >= end) return bytes;
    const copy = bytes.slice();
    for (; this.#nextCorrupt < end; this.#nextCorrupt = this.#drawCorrupt(this.#nextCorrupt)) {
      copy[this.#nextCorrupt - this.#offset]! ^= this.#random.between(1, 255);
      this.#corrupted++;
    }
    return copy;
  }

  /** The next offset behind `offset` to corrupt. The gaps of independent bytes are geometric: one draw for each gap, not for each byte. */
  #drawCorrupt(offset: number): number {
    while ((this.#corruptAt[0] ?? Number.POSITIVE_INFINITY) <= offset) this.#corruptAt.shift();
    const { corruptionRate = 0 } = this.#faults;
    const listed = this.#corruptAt[0] ?? Number.POSITIVE_INFINITY;
    if (corruptionRate <= 0) return listed;
    const gap = corruptionRate >= 1 ? 0 : Math.floor(Math.log(1 - this.#random.next()) / Math.log(1 - corruptionRate));
    return Math.min(listed, offset + 1 + gap);
  }
}
