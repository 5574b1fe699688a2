/** Arithmetic in GF(2)[x] modulo the CRC-32 polynomial: what takes CRCs apart and puts them together. */

const POLYNOMIAL = 0xedb8_8320;

/** `a` × `b` modulo the polynomial, bit-reflected as the CRC is: bit 31 is x^0. */
export function multiply(a: number, b: number): number {
  let product = 0;
  for (let rest = a; rest !== 0; rest <<= 1) {
    if (rest < 0) product ^= b;
    b = b & 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1;
  }
  return product;
}

/** x to the number of bits in `bytes`: multiplying a CRC by it gives the CRC's part in one of that many further bytes. */
export function powerOfBytes(bytes: number): number {
  let power = 1 << 31; // x^0
  let square = 0x0080_0000; // x^8
  for (let rest = bytes; rest > 0; rest >>>= 1) {
    if (rest & 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}
