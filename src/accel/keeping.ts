/** What makes a connection fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */
import { CallMap } from "../runtime/call-map.js";
import { DeadlineQueue } from "../runtime/deadline-queue.js";
import { provideDeadlines } from "../runtime/deadlines.js";
import { provideOpenCalls } from "../runtime/open-calls.js";
import { FrameRing } from "../session/frame-ring.js";
import { provideFrameStore } from "../session/frame-store.js";

/** Connections made from here on keep calls, deadlines and frames the fast ways. */
export function useFastKeeping(): void {
  provideOpenCalls(CallMap);
  provideFrameStore(FrameRing);
  provideDeadlines(DeadlineQueue);
}
