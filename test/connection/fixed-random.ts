/**
 * No generator: fixes what modules draw from `crypto` when they are loaded, so that it is the same in every run. Import it before them. A table of
 * calls has its factor so, and in how many steps it finds one depends on that.
 */
const draw = crypto.getRandomValues;
const FIXED = 0x9e37_79b1;

crypto.getRandomValues = (array) => {
  if (array instanceof Uint32Array) array.fill(FIXED);
  else draw.call(crypto, array);
  return array;
};

/** From here on what is drawn is random again. */
export function drawAgain(): void {
  crypto.getRandomValues = draw;
}
