/** What makes a connection fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */
import { CallMap } from "./call-map.js";
import { FrameRing } from "./frame-ring.js";
import { provideFrameStore } from "./frame-store.js";
import { encodeApart, LEAST_APART, MOST_APART } from "./large-frame.js";
import { provideApart } from "./link-writer.js";
import { provideOpenCalls } from "./open-calls.js";

/** Connections made from here on keep calls and frames, and write large ones, the fast ways. */
export function useFastKeeping(): void {
  provideOpenCalls(CallMap);
  provideFrameStore(FrameRing);
  provideApart({ encode: encodeApart, least: LEAST_APART, most: MOST_APART });
}
