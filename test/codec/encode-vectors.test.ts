import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/encoder/encode-frame.js";
import { FrameEncoder } from "../../src/codec/encoder/frame-encoder.js";
import type { FrameInit } from "../../src/codec/frame.js";
import { oracle } from "../helpers/oracle.js";
import { hex, toHex } from "../helpers/wire-builder.js";
import type { EncodeVector } from "../vectors/source/encode.js";

const file = JSON.parse(readFileSync(new URL("../vectors/encode.json", import.meta.url), "utf8")) as { cases: EncodeVector[] };

function frameOf({ frame }: EncodeVector): FrameInit {
  const fields = Object.entries(frame).map(([name, value]) => {
    if (name === "payload" || name === "ext") return [name, hex(String(value))];
    return [name, ["timestamp", "sequence", "ack"].includes(name) ? BigInt(value) : value];
  });
  return Object.fromEntries(fields) as FrameInit;
}

describe("encode.json", () => {
  it.each(file.cases.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    expect(toHex(encodeFrame(frameOf(vector), vector.options))).toBe(vector.bytes);

    const encoder = new FrameEncoder(vector.options ?? {});
    encoder.append(frameOf(vector));
    encoder.append(frameOf(vector));
    expect(toHex(encoder.take()), "two frames in one buffer").toBe(`${vector.bytes} ${vector.bytes}`);

    const { frames, discards } = oracle(hex(vector.bytes), vector.options);
    expect(discards).toEqual([]);
    expect(frames).toHaveLength(1);
  });
});
