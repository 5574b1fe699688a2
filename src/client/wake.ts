/** The signs a browser gives that the network may have changed, or that the page was asleep and has missed it. */

/**
 * Calls `wake` when the browser is online again, the page visible again, or back from the back-forward cache, where
 * Chrome drops its sockets. Until then timers may have stood still: a hidden page's run once a minute, a frozen one's
 * not at all. `offline` is no such sign: it is not always true, and a link that has died is found by its probe.
 * The function returned ends it. Where there are no such events (Node, React Native) nothing happens.
 */
export function watchPlatform(wake: (reason: string) => void): () => void {
  if (typeof addEventListener !== "function") return () => {};
  const watching = new AbortController();
  const { signal } = watching;
  addEventListener("online", () => wake("the browser is online again"), { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && wake("the page is back from the cache"), { signal });
  if (typeof document !== "undefined") {
    const onVisibility = () => document.visibilityState === "visible" && wake("the page is visible again");
    document.addEventListener("visibilitychange", onVisibility, { signal });
  }
  return () => watching.abort();
}

/** Whether the page is hidden, where timers and tasks are throttled. */
export function pageHidden(): boolean {
  return typeof document !== "undefined" && document.visibilityState === "hidden";
}
