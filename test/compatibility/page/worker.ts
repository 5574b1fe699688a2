/** The same client in a worker, dedicated or service: it does what messages say and answers on the port that comes with them. */
import { browserPeer } from "./browser-peer.js";
import { type Action, act } from "./peer.js";

/** The part of a service worker's global that is used here. */
interface ServiceWorker {
  readonly clients?: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: MessageEvent & { waitUntil?(promise: Promise<unknown>): void }) => void): void;
}

const self = globalThis as unknown as ServiceWorker;
const peer = browserPeer();

if (self.clients !== undefined) {
  self.addEventListener("install", (event) => event.waitUntil?.(self.skipWaiting()));
  self.addEventListener("activate", (event) => event.waitUntil?.(self.clients?.claim() as Promise<void>));
}

self.addEventListener("message", (event) => {
  const { action, args } = event.data as { action: Action; args: readonly unknown[] };
  const [port] = event.ports;
  const done = act(peer, action, args).then(
    (value) => port?.postMessage({ value }),
    (error: unknown) => port?.postMessage({ error: `${String(error)}\n${(error as Error).stack}` }),
  );
  event.waitUntil?.(done);
});
