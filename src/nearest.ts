/** The right name that is nearest to a wrong one, for the errors of Node's builds: a page does without, and carries less. */
import { provideAdvice } from "./options.js";

/** More changes than this make another word. */
const MAX_CHANGES = 3;

/** How many letters have to be changed, added or taken away to make `to` of `from`. */
function changes(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + same));
    }
    row = next;
  }
  return row[to.length] as number;
}

/** The name among `right` that `wrong` is most likely meant to be. */
export function nearestName(wrong: string, right: readonly string[]): string | undefined {
  const low = wrong.toLowerCase();
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of right) {
    const other = name.toLowerCase();
    const within = low.includes(other) || other.includes(low);
    const distance = within ? 1 : changes(low, other);
    if (distance > (within ? 1 : Math.min(MAX_CHANGES, Math.ceil(low.length / 3))) || distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest;
}

/** From here on errors about a wrong name say which is right. */
export function useNearestNames(): void {
  provideAdvice((wrong, right) => {
    const nearest = nearestName(wrong, right);
    return nearest === undefined ? `; there are ${[...right].sort().join(", ")}` : `; did you mean ${nearest}?`;
  });
}
