/** What every browser is put through. The order is that of docs/compatibility.md. */
import { expect } from "vitest";
import { type Tab, until } from "./browsers/browser.js";
import type { WorkerKind } from "./page/page.js";
import type { Action, Delays } from "./page/peer.js";
import type { Stand } from "./stand.js";

/** A tab that shows the test page, and what is behind it. */
export class Visit {
  readonly tab: Tab;
  readonly stand: Stand;

  constructor(tab: Tab, stand: Stand) {
    this.tab = tab;
    this.stand = stand;
  }

  /** Loads the page anew. */
  async load(): Promise<void> {
    await this.tab.navigate(this.stand.url);
    await this.ready();
  }

  /** Resolves when there is a page; gives the name of its life. */
  ready(): Promise<string> {
    return until("the page is there", () => this.tab.evaluate("globalThis.page?.life")) as Promise<string>;
  }

  act(action: Action, ...args: readonly unknown[]): Promise<unknown> {
    return this.tab.evaluate(`page.act(...${JSON.stringify([action, ...args])})`);
  }

  open(delays?: Delays, outbox?: string): Promise<unknown> {
    return this.act("open", ...(delays === undefined ? [] : [delays]), ...(outbox === undefined ? [] : [outbox]));
  }

  /** The client's states from its `open` on. */
  states(): Promise<string[]> {
    return this.act("history") as Promise<string[]>;
  }

  async untilState(state: string, timeoutMs?: number): Promise<void> {
    await until(`the client is ${state}`, async () => (await this.states()).at(-1) === state, timeoutMs);
  }

  actIn(kind: WorkerKind, action: Action, ...args: readonly unknown[]): Promise<unknown> {
    return this.tab.evaluate(`page.actIn(...${JSON.stringify([kind, action, ...args])})`);
  }

  /** The sends and calls from 1 to `last` are each handled once, in order. */
  async handled(last: number): Promise<void> {
    await until(`${last} numbers were handled`, () => this.stand.handled.length >= last);
    expect(this.stand.handled).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  }

  /** Cuts all links each time so many more numbers have been handled. */
  cutEvery(count: number): void {
    this.stand.onNumber = (handled) => {
      if (handled > 0 && handled % count === 0) this.stand.proxy.cut();
    };
  }
}

/** One row of the table. */
export interface Case {
  readonly feature: string;
  /** What the browser's automation must be able to do; where it is not, the case is not run. */
  readonly needs?: "setOffline";
  /** Throws when it fails. What it gives is told beside the outcome. */
  run(visit: Visit): Promise<string | undefined>;
}

const SECOND = 1_000;

/** An outcome without anything to add. */
const PLAIN = undefined;

async function worker(visit: Visit, kind: WorkerKind): Promise<undefined> {
  await visit.actIn(kind, "open");
  try {
    await visit.actIn(kind, "calls");
    await visit.actIn(kind, "bytes");
    visit.cutEvery(40);
    await visit.actIn(kind, "numbered", 1, 100);
    await visit.handled(100);
    const states = (await visit.actIn(kind, "history")) as string[];
    expect(states.filter((state) => state === "resumed").length).toBeGreaterThanOrEqual(2);
  } finally {
    await visit.actIn(kind, "close");
    await visit.tab.evaluate(`page.stop(${JSON.stringify(kind)})`);
  }
  return PLAIN;
}

export const CASES: readonly Case[] = [
  {
    feature: "Calls of all kinds, both ways; deadlines, cancels, failures",
    run: async (visit) => {
      await visit.open();
      await visit.act("calls");
      return PLAIN;
    },
  },
  {
    feature: "Streams beyond their credit, both ways, and left early",
    run: async (visit) => {
      await visit.open();
      await visit.act("streams");
      return PLAIN;
    },
  },
  {
    feature: "Payloads of 1 MiB each way",
    run: async (visit) => {
      await visit.open();
      await visit.act("payloads");
      return PLAIN;
    },
  },
  {
    feature: "Every byte value and pair of values, text, 64-bit numbers",
    run: async (visit) => {
      await visit.open();
      await visit.act("bytes");
      return PLAIN;
    },
  },
  {
    feature: "Link cut in the middle of sends, calls and a stream: all go on, none twice",
    run: async (visit) => {
      await visit.open();
      visit.cutEvery(50);
      await visit.act("numbered", 1, 300);
      await visit.handled(300);
      const states = await visit.states();
      expect(states.filter((state) => state === "resumed").length).toBeGreaterThanOrEqual(5);
      expect(states.filter((state) => state === "connected")).toHaveLength(1);
      return PLAIN;
    },
  },
  {
    feature: "Link that goes silent is found and replaced",
    run: async (visit) => {
      await visit.open();
      visit.stand.proxy.halfOpen();
      await visit.untilState("resumed", 20 * SECOND);
      await visit.act("calls");
      return PLAIN;
    },
  },
  {
    feature: "Hidden tab answers heartbeats and calls",
    run: async (visit) => {
      await visit.open();
      let ticks: unknown;
      await hidden(visit, async () => {
        await visit.tab.evaluate("void (globalThis.ticks = 0, setInterval(() => globalThis.ticks++, 50))");
        const { pongs } = visit.stand;
        await until("a hidden tab has answered six pings", () => visit.stand.pongs >= pongs + 6, 30 * SECOND);
        ticks = await visit.tab.evaluate("globalThis.ticks");
        await visit.act("calls");
      });
      expect(await visit.states()).toEqual(["connecting", "connected"]);
      return `an interval of 50 ms ran ${ticks} times while six pings came, 500 ms apart`;
    },
  },
  {
    feature: "Tab that lost its link while hidden is back at once when it is seen",
    run: async (visit) => {
      await visit.open("wake");
      await hidden(visit, async () => {
        visit.stand.proxy.cut();
        await visit.untilState("retry-pending");
      });
      await visit.untilState("resumed");
      return PLAIN;
    },
  },
  {
    feature: "Reload: the old link ends at once, the new page has a session of its own",
    run: async (visit) => {
      await visit.open();
      const [before] = visit.stand.server.connections;
      const life = await visit.ready();
      const ended = visit.stand.closeCodes.length;
      await visit.tab.reload();
      await until("the page is another one", async () => (await visit.ready()) !== life);
      await until("the link of the page before has ended", () => visit.stand.closeCodes.length > ended, 5 * SECOND);
      await visit.open();
      await visit.act("calls");
      expect(await visit.states()).toEqual(["connecting", "connected"]);
      expect(visit.stand.server.connections.filter((connection) => connection.attached && connection !== before)).toHaveLength(1);
      return `close code ${visit.stand.closeCodes.at(ended)}`;
    },
  },
  {
    feature: "Away by a link and back: a restored page resumes at once, one loaded anew starts anew",
    run: async (visit) => {
      await visit.open("wake");
      const life = await visit.ready();
      await visit.tab.navigate(`${visit.stand.url}other`);
      await visit.tab.back();
      const restored = (await visit.ready()) === life;
      if (restored) {
        expect(await visit.tab.evaluate("page.restored")).toBe(true);
        await visit.act("calls");
        await visit.untilState("resumed");
      } else {
        await visit.open();
      }
      await visit.act("calls");
      return restored ? "restored from the cache" : "loaded anew";
    },
  },
  {
    feature: "Online again: tries at once",
    needs: "setOffline",
    run: async (visit) => {
      await visit.open("wake");
      await visit.tab.setOffline?.(true);
      try {
        visit.stand.proxy.cut();
        await visit.untilState("retry-pending");
      } finally {
        await visit.tab.setOffline?.(false);
      }
      await visit.untilState("resumed");
      expect(await visit.states()).toEqual(["connecting", "connected", "retry-pending", "connecting", "resumed"]);
      return PLAIN;
    },
  },
  {
    feature: "Durable outbox: what was accepted without a server survives a reload, and is handled once",
    run: async (visit) => {
      const name = `outbox ${Math.random()}`;
      await visit.open("quick", name);
      await visit.act("accept", 1, 20);
      visit.stand.proxy.reachable = false;
      visit.stand.proxy.cut();
      await visit.untilState("retry-pending");
      await visit.act("accept", 21, 60);
      const life = await visit.ready();
      visit.stand.proxy.reachable = true;
      await visit.tab.reload();
      await until("the page is another one", async () => (await visit.ready()) !== life);
      expect(await visit.open("quick", name)).toBeGreaterThanOrEqual(40);
      await until("the outbox is empty", async () => (await visit.act("waiting")) === 0);
      await visit.handled(60);
      expect(await visit.states()).toEqual(["connecting", "resumed"]);
      return PLAIN;
    },
  },
  { feature: "Client in a dedicated worker", run: (visit) => worker(visit, "dedicated") },
  { feature: "Client in a service worker", run: (visit) => worker(visit, "service") },
];

/** Runs `act` while the tab is out of sight. */
async function hidden(visit: Visit, act: () => Promise<void>): Promise<void> {
  await visit.tab.hide();
  try {
    await until("the tab is hidden", () => visit.tab.evaluate('document.visibilityState === "hidden"'));
    await act();
    expect(await visit.tab.evaluate("document.visibilityState")).toBe("hidden");
  } finally {
    await visit.tab.show();
  }
  await until("the tab is visible", () => visit.tab.evaluate('document.visibilityState === "visible"'));
}
