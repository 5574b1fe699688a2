/** Calls, cancels, deadlines, broken links, closes and drains in any order do what a simple model of them says. */

import { expect, it } from "vitest";
import { fc } from "../helpers/fast-check.js";
import { runs } from "../helpers/runs.js";
import { type CallKind, CallModel, type CallView, type ModelCall, type Side, streamsDown, streamsUp } from "./call-model.js";
import { CallWorld } from "./call-world.js";

type Command = fc.AsyncCommand<CallModel, CallWorld>;

/** What has to be the same: all but what the handler heard of a call whose sides spoke at once. */
const view = ({ outcome, handler, read, handled, complete }: CallView, crossed: boolean | undefined) =>
  crossed === true ? { outcome, handler, read } : { outcome, handler, read, handled, complete };

/** One command: what it does to the model and to the world; then both must look the same. */
function command(
  name: string,
  when: (model: CallModel) => boolean,
  run: (model: CallModel, world: CallWorld) => void | Promise<void>,
): Command {
  return {
    check: when,
    async run(model, world) {
      await run(model, world);
      await world.clock.runUntilIdle();
      expect(world.calls.map((call, id) => view(call, model.calls[id]?.crossed))).toEqual(
        model.calls.map((call) => view(call, call.crossed)),
      );
      expect(world.notes).toEqual(model.notes);
      expect(world.client.state === "connected").toBe(model.linked);
    },
    toString: () => name,
  };
}

/** A command on one of the calls that it fits. */
function onCall(
  name: string,
  pick: number,
  fits: (call: ModelCall, model: CallModel) => boolean,
  run: (model: CallModel, world: CallWorld, call: ModelCall) => void,
): Command {
  const fitting = (model: CallModel) => model.calls.filter((call) => fits(call, model));
  return command(
    `${name}(${pick})`,
    (model) => fitting(model).length > 0,
    (model, world) => {
      const all = fitting(model);
      run(model, world, all[pick % all.length] as ModelCall);
    },
  );
}

const open = ({ outcome }: ModelCall) => outcome === undefined;
const running = ({ handler }: ModelCall) => handler === "running";

const start = (kind: CallKind, from: Side, timeoutMs: number, aborted: boolean) =>
  command(
    `${kind} from ${from}, ${timeoutMs} ms${aborted ? ", aborted" : ""}`,
    (model) => from === "client" || model.session,
    (model, world) => {
      model.call(kind, from, timeoutMs, aborted);
      world.call(kind, from, timeoutMs, aborted);
    },
  );
const note = command(
  "note",
  () => true,
  (model, world) => {
    model.note();
    world.note();
  },
);
const abort = (pick: number) =>
  onCall("abort", pick, open, (model, world, call) => {
    model.abort(call);
    world.calls[call.id]!.abort.abort();
  });
const leave = (pick: number) =>
  onCall(
    "leave",
    pick,
    (call) => open(call) && streamsDown(call.kind),
    (model, world, call) => {
      model.leave(call);
      world.calls[call.id]!.leaving = true;
    },
  );
const item = (pick: number) =>
  onCall(
    "item",
    pick,
    (call) => open(call) && streamsUp(call.kind) && !call.sourceOver,
    (model, world, call) => {
      model.item(call);
      world.calls[call.id]!.source.push({ number: 1n, text: "x" });
    },
  );
const endSource = (pick: number) =>
  onCall(
    "end of source",
    pick,
    (call) => open(call) && streamsUp(call.kind) && !call.sourceOver,
    (model, world, call) => {
      model.endSource(call);
      world.calls[call.id]!.source.end();
    },
  );
const emit = (pick: number) =>
  onCall(
    "emit",
    pick,
    (call) => running(call) && streamsDown(call.kind),
    (model, world, call) => {
      model.emit(call);
      world.calls[call.id]!.emit();
    },
  );
const answer = (pick: number, outcome: string) =>
  onCall(`answer ${outcome}`, pick, running, (model, world, call) => {
    model.answer(call, outcome);
    world.calls[call.id]!.answer(outcome);
  });
const wait = (ms: number) =>
  command(
    `wait ${ms} ms`,
    () => true,
    async (model, world) => {
      await world.clock.advance(ms);
      model.advance(world.clock.now());
    },
  );
const cut = command(
  "cut",
  ({ linked }) => linked,
  (model, world) => {
    model.cut();
    world.network.reachable = false;
    world.network.cut();
  },
);
const mend = command(
  "mend",
  ({ linked, clientOpen, server }) => !linked && clientOpen && server === "open",
  async (model, world) => {
    await world.connect();
    model.advance(world.clock.now());
    model.mend();
  },
);
const closeClient = command(
  "close the client",
  ({ clientOpen }) => clientOpen,
  (model, world) => {
    model.closeClient();
    void world.client.close();
  },
);
const closeServer = (drainMs: number) =>
  command(
    `close the server, ${drainMs} ms`,
    ({ server }) => server === "open",
    (model, world) => {
      model.closeServer(drainMs);
      world.network.reachable = false;
      void world.server.close({ drainMs, reconnectSpreadMs: 0 });
    },
  );
const restart = command(
  "restart the server",
  ({ server }) => server === "closed",
  (model, world) => {
    model.restart();
    world.startServer();
  },
);

const pick = fc.nat(7);
/** Deadlines never come due in the moment of a command: those happen at multiples of 10 ms. */
const timeout = fc.constantFrom(0, 0, 137, 1337, 7007);
const kind = fc.constantFrom<CallKind>("echo", "sample", "count", "sum", "chat");
const side = fc.constantFrom<Side>("client", "client", "server");
const call = fc.tuple(kind, side, timeout, fc.integer({ min: 0, max: 15 })).map(([k, s, t, a]) => start(k, s, t, a === 0));

const twice = (arbitrary: fc.Arbitrary<Command>) => [arbitrary, arbitrary];

const commands = fc.commands(
  [
    ...twice(call),
    ...twice(call),
    fc.constant(note),
    pick.map(abort),
    pick.map(leave),
    ...twice(pick.map(item)),
    pick.map(endSource),
    ...twice(pick.map(emit)),
    ...twice(pick.map((n) => answer(n, "ok"))),
    pick.map((n) => answer(n, "aborted")),
    fc.constantFrom(10, 100, 1000, 5000).map(wait),
    fc.constant(cut),
    ...twice(fc.constant(mend)),
    // Ends that a server comes back from, and now and then the one that nobody does.
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(restart) },
      { weight: 4, arbitrary: fc.constantFrom(0, 100, 1000, 10_000).map(closeServer) },
      { weight: 1, arbitrary: fc.constant(closeClient) },
    ),
  ],
  { maxCommands: 80, size: "max" },
);

it("calls do what the model says, settle once, and leave no connection, listener, source or timer behind", async () => {
  const numRuns = Number(process.env.FRAMEWIRE_MODEL_RUNS ?? runs(150));
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      const world = new CallWorld();
      await world.connect();
      await fc.asyncModelRun(() => ({ model: new CallModel(), real: world }), all);
      await world.end();
      expect(world.calls.filter(({ outcome }) => outcome === undefined)).toEqual([]);
      expect(world.calls.map(({ listeners }) => listeners)).toEqual(world.calls.map(() => 0));
      expect(world.calls.filter(({ source }) => source.dangling)).toEqual([]);
      expect(world.connections).toBe(0);
      await world.clock.advance(60_000);
      expect(world.clock.pendingTimers).toBe(0);
    }),
    { numRuns },
  );
}, 600_000);
