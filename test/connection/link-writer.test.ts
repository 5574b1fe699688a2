import { expect, it } from "vitest";
import { FrameDecoder } from "../../src/codec/index.js";
import { LinkWriter } from "../../src/connection/link-writer.js";
import type { Transport } from "../../src/connection/transport.js";
import { resolveConnectionOptions } from "../../src/options.js";
import { Random } from "../helpers/random.js";

it("bytes that the network has not taken are written over by nobody, and their memory is used again once it has", () => {
  const random = new Random(11);
  const buffers = new Set<ArrayBufferLike>();
  const rigs = Array.from({ length: 3 }, () => {
    const waiting: Uint8Array[] = [];
    const taken: number[] = [];
    const decoder = new FrameDecoder();
    const transport: Pick<Transport, "info" | "copies" | "write"> & { bufferedBytes: number } = {
      info: { kind: "tcp", protocol: undefined, messages: false, remoteAddress: "" },
      copies: true,
      bufferedBytes: 0,
      write: (bytes) => {
        waiting.push(bytes);
        buffers.add(bytes.buffer);
        transport.bufferedBytes += bytes.length;
      },
    };
    const network = () => {
      for (const bytes of waiting.splice(0))
        decoder.push(bytes, ({ cmd, payload }) => taken.push(payload.every((byte) => byte === cmd % 256) ? cmd : -1));
      transport.bufferedBytes = 0;
    };
    return { writer: new LinkWriter(transport as unknown as Transport, resolveConnectionOptions({}), undefined), network, taken };
  });
  for (let cmd = 0; cmd < 3000; cmd++) {
    const { writer, network } = random.pick(rigs);
    writer.write({ version: 2, cmd, payload: new Uint8Array(random.pick([10, 500, 9_000, 20_000])).fill(cmd) }, undefined);
    if (random.oneIn(2)) writer.flush(cmd);
    if (!random.oneIn(5)) continue;
    network();
    writer.noteProgress(cmd);
  }
  for (const { writer, network } of rigs) {
    writer.flush(3000);
    network();
  }
  const all = rigs.flatMap(({ taken }) => taken);
  expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  expect(buffers.size).toBeLessThan(60);
});
