import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** The collector of V8, looked up by the first test that measures: other engines lack it, and the tests beside that one need none. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Bytes that this thread holds after a collection: objects and the storage of array buffers. */
export function heldBytes(): number {
  collect ??= collector();
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
