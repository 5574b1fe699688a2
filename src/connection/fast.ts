/** What makes a connection fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */
import { CallMap } from "./call-map.js";
import { DeadlineQueue } from "./deadline-queue.js";
import { provideDeadlines } from "./deadlines.js";
import { FrameRing } from "./frame-ring.js";
import { provideFrameStore } from "./frame-store.js";
import { provideOpenCalls } from "./open-calls.js";

/** Connections made from here on keep calls, deadlines and frames the fast ways. */
export function useFastKeeping(): void {
  provideOpenCalls(CallMap);
  provideFrameStore(FrameRing);
  provideDeadlines(DeadlineQueue);
}
