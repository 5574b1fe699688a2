/** Counts the steps of what a test runs, for claims that a cost does not grow. */

const MapIterator = Object.getPrototypeOf(new Map().keys()) as object;
const SetIterator = Object.getPrototypeOf(new Set().keys()) as object;

/** How often members of `prototypes` were called or read, and of all maps and sets: each step of a walk over one counts. */
export function countSteps(prototypes: readonly object[], run: () => void): number {
  let steps = 0;
  const undo: (() => void)[] = [];
  for (const prototype of [Map.prototype, Set.prototype, MapIterator, SetIterator, ...prototypes]) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === "constructor" || descriptor.configurable !== true) continue;
      const counted = (original: (...args: unknown[]) => unknown) =>
        function (this: unknown, ...args: unknown[]) {
          steps++;
          return original.apply(this, args);
        };
      const { value, get } = descriptor;
      if (typeof value === "function") Object.defineProperty(prototype, name, { ...descriptor, value: counted(value) });
      else if (get !== undefined) Object.defineProperty(prototype, name, { ...descriptor, get: counted(get) });
      else continue;
      undo.push(() => Object.defineProperty(prototype, name, descriptor));
    }
  }
  try {
    run();
  } finally {
    for (const each of undo) each();
  }
  return steps;
}
