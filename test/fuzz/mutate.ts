/** Changes to an input: small ones, some at once. */
import type { Random } from "../helpers/random.js";
import { cat, varint } from "../helpers/wire-builder.js";
import type { Target } from "./target.js";

export const MAX_INPUT = 2048;

const SPECIAL = [0x00, 0x01, 0x07, 0x08, 0x10, 0x20, 0x2a, 0x7d, 0x7f, 0x80, 0xff];

/** A child of `input`; `other` is another input of the corpus. */
export function mutate(input: Uint8Array, other: Uint8Array, target: Target, random: Random): Uint8Array {
  let child: Uint8Array = input;
  for (let count = random.pick([1, 1, 2, 3, 5]); count > 0; count--) child = change(child, other, target, random);
  if (target.repair !== undefined && random.oneIn(2)) child = target.repair(child);
  // Inputs grow of themselves, and short ones run faster.
  return child.slice(0, random.pick([MAX_INPUT / 8, MAX_INPUT / 4, MAX_INPUT / 4, MAX_INPUT / 2, MAX_INPUT]));
}

function change(input: Uint8Array, other: Uint8Array, target: Target, random: Random): Uint8Array {
  const at = random.from(0, input.length);
  const size = random.pick([1, 1, 2, 4, random.from(1, 64)]);
  const replace = (from: number, taken: number, put: Uint8Array): Uint8Array =>
    cat(input.subarray(0, from), put, input.subarray(Math.min(from + taken, input.length)));
  switch (random.from(0, 10)) {
    case 0:
      return input.map((byte, i) => (i === at ? byte ^ (1 << random.from(0, 7)) : byte));
    case 1:
      return input.map((byte, i) => (i === at ? random.pick(SPECIAL) : byte));
    case 2:
      return replace(at, size, new Uint8Array());
    case 3:
      return replace(at, 0, random.bytes(size));
    case 4: // a part of itself once more
      return replace(at, 0, input.subarray(random.from(0, input.length), at + size));
    case 5: {
      // a part of another input
      const from = random.from(0, other.length);
      return replace(at, random.oneIn(2) ? size : 0, other.subarray(from, from + random.from(1, 200)));
    }
    case 6: // go on as the other does
      return cat(input.subarray(0, at), other.subarray(random.from(0, other.length)));
    case 7:
      return replace(at, 1, varint(random.pick([random.from(0, 300), random.uint32(), input.length - at, -1])));
    case 8: {
      const part = input.subarray(at, at + random.pick([size, input.length]));
      return replace(at, part.length, target.wrap?.(part) ?? part);
    }
    case 9:
      return replace(at, random.oneIn(2) ? 0 : size, random.pick(target.dictionary));
    default:
      return replace(at, 0, random.pick(target.dictionary));
  }
}
