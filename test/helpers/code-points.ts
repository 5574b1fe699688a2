import { fc } from "./fast-check.js";

const SURROGATES = 0x800;

/**
 * Every code point but the surrogates, for `fc.string({ unit: codePoint })`. The same strings as with fast-check's unit "binary", which
 * needs two seconds for a table of them all.
 */
export const codePoint: fc.Arbitrary<string> = fc.nat({ max: 0x10_ffff - SURROGATES }).map(
  (number) => String.fromCodePoint(number < 0xd800 ? number : number + SURROGATES),
  (text) => {
    const number = typeof text === "string" ? text.codePointAt(0) : undefined;
    if (number === undefined || text !== String.fromCodePoint(number)) throw new Error("not one code point");
    if (number >= 0xd800 && number < 0xd800 + SURROGATES) throw new Error("a surrogate");
    return number < 0xd800 ? number : number - SURROGATES;
  },
);
