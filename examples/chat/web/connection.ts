/** What the page says of its connection: how it stands, why it was lost, when the client tries again, and a button to try at once. */
import { FramewireError, isRetryable } from "framewire";
import type { Client, ClientState, StateDetail } from "framewire/client";
import { announce, element } from "./dom.js";
import { hideNotice, showNotice, updateNotice } from "./notice.js";

/** The states in words. */
const WORDS: Readonly<Record<ClientState, string>> = {
  connecting: "connecting",
  connected: "connected",
  "retry-pending": "waiting to retry",
  disconnected: "disconnected",
};

const STAYS = "The page does not try again by itself.";

const pill = element("state", HTMLSpanElement);

/** Keeps the page's words and its button up to date with `client`. `focusNext` takes the focus from the button when that goes. */
export function showConnection(client: Client, focusNext: HTMLElement): void {
  let connectedBefore = false;
  let countdown: ReturnType<typeof setInterval> | undefined;

  /** The events say all that follows once an attempt has begun; a client that begins none says why by its error. */
  const connect = () => {
    client.connect().catch((error: unknown) => {
      if (client.state === "disconnected") updateNotice(STAYS, { why: FramewireError.from(error).message });
    });
  };

  const tell = (state: ClientState, { reason, delayMs = 0, closeCode }: StateDetail): void => {
    const lost = connectedBefore ? "The connection is lost." : "The server cannot be reached.";
    switch (state) {
      case "connecting":
        // The first attempt needs no notice; during a later one the reason for it stays.
        return updateNotice("Trying now …", { busy: true });
      case "connected":
        hideNotice(focusNext);
        announce(connectedBefore ? "Connected again." : "Connected.");
        connectedBefore = true;
        return;
      case "retry-pending": {
        const dueAt = performance.now() + delayMs;
        const count = () => {
          const seconds = Math.max(1, Math.ceil((dueAt - performance.now()) / 1000));
          updateNotice(`Trying again in ${seconds} s. ${offline()}What you write is sent then.`);
        };
        showNotice({ title: lost, text: "", reason, button: "Try now", run: connect });
        count();
        countdown = setInterval(count, 500);
        // The same words at each attempt: a screen reader hears them once, and no seconds.
        return announce(`${lost} The page tries again by itself.`);
      }
      case "disconnected": {
        const title = isRefusal(closeCode) ? "The server refused the connection." : lost;
        showNotice({ title, text: `${STAYS} ${offline()}`, reason, button: "Connect", run: connect });
        return announce(`${title} ${STAYS}`);
      }
    }
  };

  client.on("state", (state, detail) => {
    clearInterval(countdown);
    pill.dataset.state = state;
    pill.textContent = WORDS[state];
    tell(state, detail);
  });
}

/** Whether the server does not want this client again. */
function isRefusal(closeCode: number | undefined): boolean {
  return closeCode !== undefined && !isRetryable(closeCode);
}

function offline(): string {
  return navigator.onLine ? "" : "This device says that it is offline. ";
}
