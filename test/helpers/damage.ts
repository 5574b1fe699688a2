/** What links and peers do to bytes. Every byte carries its origin along. */
import type { Random } from "./random.js";

/** A stream as parallel lists: byte `i` came from `offsets[i]` of frame `frames[i]`, or from no frame at all (-1). */
export interface Received {
  bytes: number[];
  frames: number[];
  offsets: number[];
}

/** One random damage. */
export function damage(received: Received, random: Random): void {
  const { length } = received.bytes;
  if (length === 0) return;
  const at = random.from(0, length - 1);
  const size = Math.min(random.pick([1, 1, 2, 3, random.from(1, 30), random.from(1, 200)]), length - at);
  switch (random.from(0, 8)) {
    case 0:
      alter(received, at, received.bytes[at]! ^ (1 << random.from(0, 7)));
      break;
    case 1: // a burst of noise
      for (let i = 0; i < size; i++) alter(received, at + i, random.from(0, 255));
      break;
    case 2: // a run of one value
      for (let i = 0, value = random.pick([0x00, 0x08, 0xff]); i < size; i++) alter(received, at + i, value);
      break;
    case 3:
      insert(received, at, foreignBytes(random, size));
      break;
    case 4:
      cut(received, at, size);
      break;
    case 5: // the end is lost
      cut(received, Math.max(at, length - size), size);
      break;
    case 6: // a chunk arrives twice
      insert(received, random.oneIn(2) ? at + size : random.from(0, length), copy(received, at, size));
      break;
    case 7: {
      // a chunk arrives late or early
      const chunk = copy(received, at, size);
      cut(received, at, size);
      insert(received, random.from(0, received.bytes.length), chunk);
      break;
    }
    default: // two bytes change places
      swap(received, at, random.from(0, length - 1));
  }
}

/** A byte that keeps its value was not altered. */
function alter(received: Received, at: number, value: number): void {
  if (received.bytes[at] === value) return;
  received.bytes[at] = value;
  received.frames[at] = -1;
}

function swap(received: Received, a: number, b: number): void {
  const [first, second] = [received.bytes[a]!, received.bytes[b]!];
  alter(received, a, second);
  alter(received, b, first);
}

function foreignBytes(random: Random, size: number): Received {
  return { bytes: [...random.bytes(size)], frames: Array(size).fill(-1), offsets: Array(size).fill(0) };
}

function copy(received: Received, at: number, size: number): Received {
  const part = <T>(list: readonly T[]): T[] => list.slice(at, at + size);
  return { bytes: part(received.bytes), frames: part(received.frames), offsets: part(received.offsets) };
}

function insert(received: Received, at: number, chunk: Received): void {
  received.bytes.splice(at, 0, ...chunk.bytes);
  received.frames.splice(at, 0, ...chunk.frames);
  received.offsets.splice(at, 0, ...chunk.offsets);
}

function cut(received: Received, at: number, size: number): void {
  received.bytes.splice(at, size);
  received.frames.splice(at, size);
  received.offsets.splice(at, size);
}
