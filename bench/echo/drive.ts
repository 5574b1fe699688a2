/** The load on a set of connections: as many messages on their way as were asked for, for as long as was asked for. */
import type { Lane } from "./peers/peer.js";

/** How long the last answers may take once nothing more is sent, in milliseconds. */
const LAST_ANSWERS_MS = 10_000;

/** Where the lanes' answers go; the driver puts itself in while it drives. */
export interface Answers {
  replied: (lane: Lane) => void;
}

/** Keeps `inFlight` messages on their way on each lane for `ms`, then waits for the last answers. */
export function drive(
  used: readonly Lane[],
  answers: Answers,
  inFlight: number,
  ms: number,
): Promise<{ messages: number; elapsedMs: number }> {
  return new Promise((resolve, reject) => {
    let messages = 0;
    let waiting = used.length * inFlight;
    let stopping = false;
    const start = performance.now();
    const tooLong = setTimeout(() => reject(new Error(`${waiting} answers did not come`)), ms + LAST_ANSWERS_MS);
    setTimeout(() => {
      stopping = true;
    }, ms);
    answers.replied = (lane) => {
      messages++;
      if (!stopping) return lane.send();
      if (--waiting > 0) return;
      clearTimeout(tooLong);
      resolve({ messages, elapsedMs: performance.now() - start });
    };
    for (const lane of used) for (let i = 0; i < inFlight; i++) lane.send();
  });
}
