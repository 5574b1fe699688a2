/** The test page: a client of its own, and workers that have one. Tests call what it leaves in `page`. */
import { browserPeer } from "./browser-peer.js";
import { type Action, act } from "./peer.js";

export type WorkerKind = "dedicated" | "service";

/** What the tests call. */
export interface Page {
  /** Another one for each time the page was loaded. */
  readonly life: string;
  /** Whether it last came out of the back-forward cache. */
  restored: boolean;
  act(action: Action, ...args: readonly unknown[]): Promise<unknown>;
  /** The same in a worker of that kind, which is started with its first action. */
  actIn(kind: WorkerKind, action: Action, ...args: readonly unknown[]): Promise<unknown>;
  /** Ends the worker. */
  stop(kind: WorkerKind): Promise<void>;
}

const peer = browserPeer();
let dedicated: Worker | undefined;
let registration: ServiceWorkerRegistration | undefined;

async function target(kind: WorkerKind): Promise<Worker | ServiceWorker> {
  if (kind === "dedicated") return (dedicated ??= new Worker("/worker.js"));
  if (registration === undefined) {
    await navigator.serviceWorker.register("/worker.js");
    registration = await navigator.serviceWorker.ready;
  }
  return registration.active as ServiceWorker;
}

const page: Page = {
  life: crypto.randomUUID(),
  restored: false,
  act: (action, ...args) => act(peer, action, args),
  async actIn(kind, action, ...args) {
    const worker = await target(kind);
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise<{ value?: unknown; error?: string }>((resolve, reject) => {
      port1.onmessage = ({ data }: MessageEvent) => resolve(data as { value?: unknown; error?: string });
      worker.onerror = (event) => reject(new Error(`the worker failed: ${(event as Partial<ErrorEvent>).message ?? event.type}`));
    });
    worker.postMessage({ action, args }, [port2]);
    const { value, error } = await answer;
    if (error !== undefined) throw new Error(error);
    return value;
  },
  async stop(kind) {
    if (kind === "dedicated") dedicated?.terminate();
    else await registration?.unregister();
  },
};

addEventListener("pageshow", ({ persisted }) => {
  page.restored = persisted;
});
Object.assign(globalThis, { page });
