/** What the tests need of a browser. One small class for each engine implements it over what its makers offer for automation. */

/** A browser that was started. */
export interface Browser {
  /** As it calls itself. */
  readonly version: string;
  /** A tab that nothing else uses. */
  openTab(): Promise<Tab>;
  /** Ends the browser and everything that was started for it. */
  close(): Promise<void>;
}

/** One tab. */
export interface Tab {
  /** Goes to `url`, as if somebody had typed it. */
  navigate(url: string): Promise<void>;
  reload(): Promise<void>;
  /** One step back in the tab's history. Does not wait until the page is there. */
  back(): Promise<void>;
  /** What `expression` gives in the page, or what the promise resolves with; it has to be JSON. Rejects if the page throws. */
  evaluate(expression: string): Promise<unknown>;
  /** Puts the tab out of sight, as a user does. */
  hide(): Promise<void>;
  show(): Promise<void>;
  /** Takes the network away from the tab, or gives it back. Absent where automation has no way to do so. */
  setOffline?(offline: boolean): Promise<void>;
  close(): Promise<void>;
}

/** The expression, wrapped so that every engine gives back one string: JSON, or what was thrown. */
export function wrapped(expression: string): string {
  return `(async () => {
    try {
      return JSON.stringify({ value: await (${expression}) });
    } catch (error) {
      return JSON.stringify({ error: String(error?.stack ?? error) + (error?.message && !String(error.stack).includes(error.message) ? " " + error.message : "") });
    }
  })()`;
}

/** What came of a wrapped expression. */
export function unwrapped(text: unknown): unknown {
  const { value, error } = JSON.parse(String(text)) as { value?: unknown; error?: string };
  if (error !== undefined) throw new Error(`the page threw: ${error}`);
  return value;
}

/** Waits until `condition` gives something truthy and hands it on. Rejects with `what` after `timeoutMs`. */
export async function until<T>(what: string, condition: () => T | Promise<T>, timeoutMs = 15_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    // A page that is just being replaced cannot answer.
    const outcome = await Promise.resolve()
      .then(condition)
      .then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
    if ("value" in outcome && outcome.value) return outcome.value as NonNullable<T>;
    if (performance.now() > deadline) {
      const last = "error" in outcome ? `; ${String(outcome.error)}` : "";
      throw new Error(`waited ${timeoutMs} ms in vain until ${what}${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
