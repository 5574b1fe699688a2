/** Compares the checksums of candidates. The cost is linear, however many candidates overlap: docs/wire.md section 4. */
import { crcOfSeed, crcUpdate } from "../checksum/crc32.js";
import { crcOfRange, PrefixCrc } from "../checksum/prefix-crc.js";
import { PREFIX_LENGTH } from "./sync-prefix.js";

export class CandidateChecksum {
  /** W of docs/wire.md: the largest stream offset that a failed comparison reached. */
  failedEnd = 0;
  /** CRC of the seed's four bytes and of the seven that every frame begins with. */
  prefixCrc = 0;
  readonly #prefix: Uint8Array;
  #seed: number | undefined;
  /** CRC of the seed's four bytes, 0 without a seed. */
  #seedCrc = 0;
  /** Made for the first candidate that starts before W. */
  #checkpoints: PrefixCrc | undefined;

  constructor(prefix: Uint8Array, seed: number | undefined) {
    this.#prefix = prefix;
    this.#seed = seed;
    this.#computePrefix();
  }

  setSeed(seed: number | undefined): void {
    if (seed === this.#seed) return;
    this.#seed = seed;
    this.#computePrefix();
  }

  #computePrefix(): void {
    this.#seedCrc = crcOfSeed(this.#seed);
    this.prefixCrc = crcUpdate(this.#prefix, 0, PREFIX_LENGTH, this.#seedCrc);
  }

  /** Between pushes: keeps no checkpoints that nothing undecided needs. `offset` is the first that is not decided. */
  rest(offset: number): void {
    if (offset >= this.failedEnd) this.#checkpoints = undefined;
  }

  /**
   * Compares the checksum of the candidate at position `start`, all of whose bytes are there. `base` is the stream offset of position 0;
   * `checksumOffset` and `endOffset` count from `start`.
   */
  isIntact(buffer: Uint8Array, mask: number, base: number, start: number, checksumOffset: number, endOffset: number): boolean {
    const at = start + checksumOffset;
    let crc: number;
    if (base + start >= this.failedEnd) {
      crc = crcOfRange(buffer, mask, start + PREFIX_LENGTH, at, this.prefixCrc);
    } else {
      this.#checkpoints ??= new PrefixCrc();
      crc = this.#checkpoints.update(buffer, mask, base, base + start, base + at, this.#seedCrc);
    }
    const written =
      buffer[(at + 1) & mask]! | (buffer[(at + 2) & mask]! << 8) | (buffer[(at + 3) & mask]! << 16) | (buffer[(at + 4) & mask]! << 24);
    if (crc === written) return true;
    this.failedEnd = Math.max(this.failedEnd, base + start + endOffset);
    return false;
  }
}
