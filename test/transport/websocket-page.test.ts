/** The WebSocket of a page: what an error can say of a connection that did not open. */
import { afterEach, expect, it, vi } from "vitest";
import { connectWebSocket } from "../../src/transport/websocket.js";

afterEach(() => vi.unstubAllGlobals());

/** A platform whose sockets close before they open. */
function closing(close: Partial<CloseEvent>): { closed: number } {
  const seen = { closed: 0 };
  class ClosingSocket {
    onclose: ((event: Partial<CloseEvent>) => void) | null = null;
    constructor() {
      queueMicrotask(() => this.onclose?.(close));
    }
    close(): void {
      seen.closed++;
    }
  }
  vi.stubGlobal("WebSocket", ClosingSocket);
  return seen;
}

it.each([
  ["a browser, which gives no reason", { code: 1006, reason: "" }, "browsers give no reason"],
  [
    "React Native, which gives one",
    { code: 1006, reason: "Expected HTTP 101 response but was '403 Forbidden'" },
    "Expected HTTP 101 response but was '403 Forbidden'",
  ],
])("in %s, the error has what there is", async (_name, close, why) => {
  const seen = closing(close);
  const connecting = connectWebSocket("wss://api.example/?token=secret", [2, 1], new AbortController().signal);
  await expect(connecting).rejects.toMatchObject({
    code: "connect-failed",
    message: `could not connect to wss://api.example/?token=***: ${why}`,
  });
  expect(seen.closed).toBe(1);
});

it("an attempt that is aborted closes its socket and rejects", async () => {
  const seen = closing({});
  const abort = new AbortController();
  const connecting = connectWebSocket("wss://api.example", [2, 1], abort.signal);
  abort.abort();
  await expect(connecting).rejects.toMatchObject({ code: "connect-failed" });
  expect(seen.closed).toBe(1);
});
