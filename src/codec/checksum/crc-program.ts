/**
 * CRC-32 as a WebAssembly module, written instruction by instruction: tables for short runs, for long ones a fold with 128-bit words,
 * which leaves 352 bytes for the tables, and for very long ones another in front of that, which leaves it 1,200.
 * docs/decisions/checksum-cost.md says how that works and what it saves.
 */

/**
 * A multiple of the CRC's polynomial, by its exponents in x^32, from the largest: what stands 85 words before a place can be added
 * to the places named by the others, and be gone. Those with x for x^32 are one as well, as squaring maps roots to roots.
 */
export const MULTIPLE: readonly number[] = [85, 48, 41, 39, 17, 13, 6, 3, 0];
/** One with fewer terms, and so of a higher degree. */
export const SPARSE_MULTIPLE: readonly number[] = [300, 155, 117, 89, 0];

const VECTOR = 16;
const up = (bytes: number): number => Math.ceil(bytes / VECTOR) * VECTOR;

/** Tables of 1 KiB each that the memory must begin with. */
export const TABLES = 16;
/** The longest run there is room for. */
export const LONGEST = 32 * 1024;

/** A fold: its distances and its part of the memory. */
interface Fold {
  /** How far behind a word, in bytes, it is added: at least two vectors, so that what was written is there to be read. */
  readonly distances: readonly number[];
  readonly farthest: number;
  /** Bytes that are left for the next way. */
  readonly rest: number;
  /** Where the folded words begin, with zeros in front of them; where those that are left begin; where its part ends. */
  readonly folded: number;
  readonly left: number;
  readonly end: number;
}

function foldBy(multiple: readonly number[], at: number): Fold {
  const [highest = 0, ...others] = multiple;
  const farthest = 4 * highest;
  const rest = up(farthest);
  const folded = at + rest;
  const left = folded + LONGEST + VECTOR;
  return { distances: others.map((exponent) => 4 * (highest - exponent)), farthest, rest, folded, left, end: left + rest };
}

const NEAR = foldBy(MULTIPLE, TABLES * 1024);
/** Where the bytes to check begin: those of a chunk, and those of a run that stands for itself. */
export const WINDOW = NEAR.end;
export const RUN = WINDOW + LONGEST;
const FAR = foldBy(SPARSE_MULTIPLE, RUN + LONGEST);
const PAGES = Math.ceil(FAR.end / 65536);
/** From this many bytes on the fold pays; it cannot do with fewer than 368. */
export const FOLD_FROM = 512;
/** The same of the sparse one, which cannot do with fewer than 1,216. */
export const SPARSE_FROM = 3072;

/** Code: bytes, in parts. */
type Code = readonly (number | Code)[];

const I32 = 0x7f;
const ADD = 0x6a;
const SUB = 0x6b;
const AND = 0x71;
const XOR = 0x73;
const SHIFT_LEFT = 0x74;
const SHIFT_RIGHT = 0x76;
const LESS = 0x48;
const GREATER = 0x4a;
const NOT_LESS = 0x4e;
const SELECT = 0x1b;
const END = 0x0b;
const VECTOR_XOR: Code = [0xfd, 0x51];
const VECTOR_ZERO: Code = [0xfd, 0x0c, ...new Array<number>(VECTOR).fill(0)];

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const constant = (value: number): Code => [0x41, ...signed(value)];
const byteAt = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const wordAt = (offset: number): Code => [0x28, 0, ...unsigned(offset)];
const putWord = (offset: number): Code => [0x36, 0, ...unsigned(offset)];
const vectorAt = (offset: number): Code => [0xfd, 0x00, 0, ...unsigned(offset)];
const putVector = (offset: number): Code => [0xfd, 0x0b, 0, ...unsigned(offset)];
const call = (index: number): Code => [0x10, index];
const advance = (local: number, by: number): Code => [get(local), constant(by), ADD, set(local)];
/** `body`, unless `condition`. */
const unless = (condition: Code, body: Code): Code => [0x02, 0x40, condition, 0x0d, 0, body, END];
/** `body`, over and over until `condition`. */
const until = (condition: Code, body: Code): Code => [0x02, 0x40, 0x03, 0x40, condition, 0x0d, 1, body, 0x0c, 0, END, END];

// Parameters of both functions: the bytes from FROM to TO, going on from CRC. Locals behind them.
const FROM = 0;
const TO = 1;
const CRC = 2;
const PARAMETERS = 3;

/** By tables, as `crcOfView` does it. */
function byTables(): Code {
  const [w0, w1, w2, w3] = [PARAMETERS, PARAMETERS + 1, PARAMETERS + 2, PARAMETERS + 3];
  /** Looks up the four bytes of a word, the first in `table`, the others in those before it. */
  const look = (word: number, table: number): Code => {
    const one = (byte: number): Code => {
      const index =
        byte === 0 ? [constant(0xff), AND, constant(2), SHIFT_LEFT] : [constant(8 * byte - 2), SHIFT_RIGHT, constant(0x3fc), AND];
      return [get(word), index, wordAt((table - byte) * 1024)];
    };
    return [one(0), one(1), XOR, one(2), one(3), XOR, XOR];
  };
  const first = (word: number): Code => [get(FROM), wordAt(0), get(CRC), XOR, set(word)];
  const later = (word: number, offset: number): Code => [get(FROM), wordAt(offset), set(word)];
  const fewerThan = (bytes: number): Code => [get(FROM), constant(bytes), ADD, get(TO), GREATER];
  return [
    [get(CRC), constant(-1), XOR, set(CRC)],
    until(fewerThan(16), [
      [first(w0), later(w1, 4), later(w2, 8), later(w3, 12)],
      [look(w1, 11), look(w2, 7), XOR, look(w3, 3), XOR, look(w0, 15), XOR, set(CRC)],
      advance(FROM, 16),
    ]),
    unless(fewerThan(8), [first(w0), later(w1, 4), look(w1, 3), look(w0, 7), XOR, set(CRC), advance(FROM, 8)]),
    unless(fewerThan(4), [first(w0), look(w0, 3), set(CRC), advance(FROM, 4)]),
    until(
      [get(FROM), get(TO), NOT_LESS],
      [
        [get(CRC), get(FROM), byteAt(0), XOR, constant(0xff), AND, constant(2), SHIFT_LEFT, wordAt(0)],
        [get(CRC), constant(8), SHIFT_RIGHT, XOR, set(CRC), advance(FROM, 1)],
      ],
    ),
    [get(CRC), constant(-1), XOR],
  ];
}

/** Folds, and gives the rest to the function `next`. */
function byFolding({ distances, farthest, rest, folded: foldedAt, left: leftAt }: Fold, tables: number, next: number): Code {
  // `at` runs through the folded words, `farthest` behind them as offsets cannot be negative; `left` through those left.
  const [at, folded, limit, left] = [PARAMETERS, PARAMETERS + 1, PARAMETERS + 2, PARAMETERS + 3];
  const start = foldedAt - farthest;
  const step = (added: readonly number[], put: Code): Code => [
    [put, get(FROM), vectorAt(0), added.map((distance) => [get(at), vectorAt(farthest - distance), VECTOR_XOR])],
  ];
  const code: Code[] = [
    // What makes the rest a number of whole vectors.
    [get(FROM), get(FROM), get(TO), get(FROM), SUB, constant(VECTOR - 1), AND, ADD, get(CRC), call(tables), set(CRC)],
    [get(FROM), get(TO), get(FROM), SUB, constant(VECTOR - 1), AND, ADD, set(FROM)],
    [constant(start), set(at)],
    [get(TO), get(FROM), SUB, constant(start - rest), ADD, set(folded)],
  ];
  // Each stretch adds those words that there are that far in front of it, which spares adding zeros.
  for (let count = 0; count <= distances.length; count++) {
    const distance = distances[count];
    const end = distance === undefined ? [get(folded)] : [get(folded), constant(start + up(distance - VECTOR + 1))];
    code.push(
      distance === undefined ? [get(folded), set(limit)] : [end, end, LESS, SELECT, set(limit)],
      until(
        [get(at), get(limit), NOT_LESS],
        [step(distances.slice(0, count), get(at)), putVector(farthest), advance(FROM, VECTOR), advance(at, VECTOR)],
      ),
    );
    // The register goes into the first four bytes, and is done with.
    if (count === 0) code.push([constant(foldedAt), constant(foldedAt), wordAt(0), get(CRC), constant(-1), XOR, XOR, putWord(0)]);
  }
  // Behind the folded words nothing is added any more, but a vector may reach over their end.
  code.push([get(at), VECTOR_ZERO, putVector(farthest), constant(leftAt), set(left)]);
  distances.forEach((distance, index) => {
    code.push(
      until(
        [get(left), constant(leftAt + up(distance)), NOT_LESS],
        [step(distances.slice(index), get(left)), putVector(0), advance(FROM, VECTOR), advance(at, VECTOR), advance(left, VECTOR)],
      ),
    );
  });
  code.push([constant(leftAt), constant(leftAt + rest), constant(-1), call(next)]);
  return code;
}

/** The module: exports `memory`, whose first 16 KiB are for the tables, and `short`, `long` and `longest`, all of (from, to, crc). */
export function crcProgram(): Uint8Array<ArrayBuffer> {
  const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items];
  const sized = (code: Code): Code => {
    const bytes = flat(code);
    return [...unsigned(bytes.length), ...bytes];
  };
  const name = (text: string): Code => list([...text].map((character) => [character.charCodeAt(0)]));
  const body = (code: Code): Code => sized([list([[4, I32]]), code, END]);
  const section = (id: number, items: readonly Code[]): Code => [id, sized(list(items))];
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [[0x60, list([[I32], [I32], [I32]]), list([[I32]])]]),
      section(3, [[0], [0], [0]]),
      section(5, [[0, ...unsigned(PAGES)]]),
      section(7, [
        [name("memory"), 2, 0],
        [name("short"), 0, 0],
        [name("long"), 0, 1],
        [name("longest"), 0, 2],
      ]),
      section(10, [body(byTables()), body(byFolding(NEAR, 0, 0)), body(byFolding(FAR, 0, 1))]),
    ]),
  );
}

function flat(code: Code): number[] {
  return code.flat(Number.POSITIVE_INFINITY as 1) as number[];
}

/** LEB128, as WebAssembly writes numbers. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
