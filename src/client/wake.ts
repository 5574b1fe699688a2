/** The signs a browser gives that the network may have changed, or that the page was asleep and has missed it. */

/** There is no page in workers, on Node and in React Native; test environments have stubs of one without methods. */
const page = (): Document | undefined => globalThis.document;

/**
 * Calls `wake` when the browser is online again, the page visible again, or back from the back-forward cache, where
 * Chrome drops its sockets. Until then timers may have stood still: a hidden page's run once a minute, a frozen one's
 * not at all. `offline` is no such sign: it is not always true, and a link that has died is found by its probe.
 * `reason` is the name of the event. The function returned ends it. Where there are no such events nothing happens.
 */
export function watchPlatform(wake: (reason: string) => void): () => void {
  const watching = new AbortController();
  const { signal } = watching;
  globalThis.addEventListener?.("online", ({ type }) => wake(type), { signal });
  globalThis.addEventListener?.("pageshow", ({ persisted, type }) => persisted && wake(type), { signal });
  page()?.addEventListener?.("visibilitychange", ({ type }) => pageHidden() || wake(type), { signal });
  return () => watching.abort();
}

/** Whether the page is hidden, where timers and tasks are throttled. */
export function pageHidden(): boolean {
  return page()?.visibilityState === "hidden";
}
