/**
 * Bytes outside V8's heap, such as those of typed arrays. V8 collects young objects when their space is full, and what the dead ones hold
 * outside goes with them. Whoever makes few objects that hold many bytes fills that space too slowly: V8 then counts more bytes than
 * its limit allows, and marks the whole heap for them, again and again. A little garbage for so many bytes has it collect the young ones
 * in time. docs/decisions/collector-garbage.md
 */

/** Bytes outside for one piece of garbage. */
const STEP = 24 * 1024;
/** Its length: of nearly 64 KiB. */
const ELEMENTS = 8_000;

/**
 * The C library's heap is trimmed as soon as 128 KiB at its end are free, and grown again, page by page, for the next payloads. Once a piece of so
 * many bytes has been freed, glibc leaves twice as much untrimmed: mallopt(3), M_MMAP_THRESHOLD. Nobody writes to it, so it takes no memory.
 */
const LESSON = 8 * 1024 * 1024;

let owed = 0;
let taught = false;

/** Keeps the last piece, so that no optimiser finds that nobody needs it. */
const bin: { piece: readonly unknown[] | undefined } = { piece: undefined };

/** So many bytes were allocated outside the heap, for objects that hardly live long. */
export function noteOutside(bytes: number): void {
  owed += bytes;
  if (owed < STEP) return;
  owed = 0;
  bin.piece = taught ? new Array(ELEMENTS) : [new ArrayBuffer(LESSON)];
  taught = true;
}
