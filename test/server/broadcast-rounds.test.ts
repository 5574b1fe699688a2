/** A message to many leaves a little in each round of the event loop; what goes to one alone leaves at once. */
import { expect, it } from "vitest";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import { messageCommand } from "../../src/protocol/commands.js";
import { createServer } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { BusyClock } from "../helpers/clocks.js";
import { FakeTransport } from "../helpers/fake-transport.js";

const { note, price } = TestServiceDefinition.methods;
const [NOTE, PRICE] = [note, price].map((method) => messageCommand(method).cmd);
const COUNT = 100;
/** What the system takes for one write. */
const WRITE_MS = 0.3;

class SlowTransport extends FakeTransport {
  readonly #clock: BusyClock;

  constructor(clock: BusyClock) {
    super();
    this.#clock = clock;
  }

  override write(bytes: Uint8Array): void {
    this.#clock.work(WRITE_MS);
    super.write(bytes);
  }

  /** The commands of the frames in the last write. */
  get last(): number[] {
    const decoder = new FrameDecoder();
    let cmds: number[] = [];
    for (const bytes of this.written) {
      cmds = [];
      decoder.push(bytes, ({ cmd, kindNumber, payload }) => {
        if (kindNumber === FrameKind.FRAME_KIND_WELCOME) decoder.update({ checksumSeed: Welcome.decode(payload.slice()).checksumSeed });
        cmds.push(cmd);
      });
    }
    return cmds;
  }
}

const FIRST = {
  1: encodeFrame({ cmd: 0x0777 }),
  2: encodeFrame({
    version: 2,
    cmd: 0,
    kind: FrameKind.FRAME_KIND_HELLO,
    payload: Hello.encode(Hello.fromPartial({ minVersion: 2, maxVersion: 2, checksumSeed: 1 })).finish(),
  }),
};

async function crowd(version: 1 | 2) {
  const clock = new BusyClock();
  const server = createServer({ clock, logger: false });
  const transports = Array.from({ length: COUNT }, () => new SlowTransport(clock));
  for (const transport of transports) {
    server.accept(transport);
    transport.receiver.onData(FIRST[version]);
  }
  for (let i = 0; i < COUNT; i++) {
    await clock.runUntilIdle();
    clock.round();
  }
  await clock.runUntilIdle();
  expect(server.connections).toHaveLength(COUNT);
  const written = () => transports.reduce((sum, each) => sum + each.written.length, 0);
  const before = written();
  return { clock, server, transports, written: () => written() - before };
}

/** Writes in each round, until there are no more. */
async function rounds({ clock, written }: { clock: BusyClock; written(): number }): Promise<number[]> {
  await clock.runUntilIdle();
  const counts = [written()];
  for (let before = 0; written() > before; ) {
    before = written();
    clock.round();
    await clock.runUntilIdle();
    counts.push(written() - before);
  }
  return counts;
}

it.each([1, 2] as const)("version %i: no round takes longer than a millisecond and one write, and everybody gets it", async (version) => {
  const at = await crowd(version);
  at.server.broadcast(note, { text: "to all" });
  const counts = await rounds(at);
  expect(Math.max(...counts)).toBe(Math.ceil(1 / WRITE_MS));
  expect(at.written()).toBe(COUNT);
  for (const transport of at.transports) expect(transport.last).toEqual([NOTE]);
});

it("two of them leave together, in their order", async () => {
  const at = await crowd(2);
  at.server.broadcast(note, { text: "first" });
  at.server.broadcast(price, { price: 1n });
  await rounds(at);
  expect(at.written()).toBe(COUNT);
  for (const transport of at.transports) expect(transport.last).toEqual([NOTE, PRICE]);
});

it("what goes to one alone does not wait for the others, and takes what was written before it along", async () => {
  const at = await crowd(2);
  at.server.broadcast(note, { text: "to all" });
  at.server.connections.at(-1)?.send(price, { price: 1n });
  await at.clock.runUntilIdle();
  expect(at.transports.at(-1)?.last).toEqual([NOTE, PRICE]);
  expect(at.written()).toBeLessThan(COUNT / 2);
  await rounds(at);
  expect(at.written()).toBe(COUNT);
});

it("who leaves meanwhile harms nobody", async () => {
  const at = await crowd(2);
  at.server.broadcast(note, { text: "to all" });
  for (const transport of at.transports.slice(COUNT / 2)) transport.receiver.onClose(1006, "");
  await rounds(at);
  expect(at.written()).toBe(COUNT / 2);
});

it("what waits for its round is on the server's account", async () => {
  const at = await crowd(2);
  const before = at.server.stats.heldBytes;
  at.server.broadcast(price, { price: 1n });
  const waiting = at.server.stats.heldBytes - before;
  await rounds(at);
  const [{ written }] = at.transports as [SlowTransport];
  expect(waiting).toBe(COUNT * (written.at(-1)?.length ?? 0));
  expect(at.server.stats.heldBytes).toBe(before);
});
