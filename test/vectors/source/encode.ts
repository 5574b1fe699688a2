/** Frames as fields, and the exact bytes that a writer makes of them. */
export const description = "Frames as fields, and the exact bytes that a writer makes of them";

const HELLO = "0A 05 68 65 6C 6C 6F";
const P = "08 F5 F9 F7 F6 07 10";

/** 64-bit fields are decimal strings, bytes are hex; an absent payload and an empty one are written differently. */
export interface EncodeVector {
  readonly name: string;
  readonly options?: { readonly magic?: number; readonly checksumSeed?: number };
  readonly frame: Readonly<Record<string, string | number>>;
  readonly bytes: string;
}

export const cases: readonly EncodeVector[] = [
  { name: "version 1", frame: { cmd: 257, payload: HELLO }, bytes: `${P} 07 20 81 02 2A 07 ${HELLO}` },
  { name: "version 1 without payload: zeros are written", frame: { cmd: 0 }, bytes: `${P} 00 20 00` },
  { name: "version 1 with an empty payload", frame: { cmd: 258, payload: "" }, bytes: `${P} 00 20 82 02 2A 00` },
  { name: "version 1 written out", frame: { version: 1, cmd: 1, payload: "FF" }, bytes: `${P} 01 18 01 20 01 2A 01 FF` },
  { name: "cmd -1", frame: { cmd: -1 }, bytes: `${P} 00 20 FF FF FF FF FF FF FF FF FF 01` },
  { name: "cmd -2147483648", frame: { cmd: -2147483648 }, bytes: `${P} 00 20 80 80 80 80 F8 FF FF FF FF 01` },
  { name: "cmd 2147483647", frame: { cmd: 2147483647 }, bytes: `${P} 00 20 FF FF FF FF 07` },
  { name: "another magic", options: { magic: 268435456 }, frame: { cmd: 1 }, bytes: "08 80 80 80 80 01 10 00 20 01" },
  { name: "version 2", frame: { version: 2, cmd: 257, payload: HELLO }, bytes: `${P} 07 18 02 20 81 02 2A 07 ${HELLO} 7D 24 98 1B C0` },
  {
    name: "version 2, seeded, with a sequence",
    options: { checksumSeed: 0x12345678 },
    frame: { version: 2, cmd: 257, payload: HELLO, sequence: "1" },
    bytes: `${P} 07 18 02 20 81 02 2A 07 ${HELLO} 38 01 7D EB E5 10 C7`,
  },
  {
    name: "an ack that asks again",
    options: { checksumSeed: 0x12345678 },
    frame: { version: 2, cmd: 0, ack: "1", kind: 11, status: 15 },
    bytes: `${P} 00 18 02 20 00 40 01 50 0B 58 0F 7D FC 57 59 C4`,
  },
  {
    name: "version 2 with an empty payload and no seed",
    frame: { version: 2, cmd: 1, payload: "" },
    bytes: `${P} 00 18 02 20 01 2A 00 7D 90 51 D9 C2`,
  },
  {
    name: "all trailer fields, highest and lowest values",
    frame: {
      version: 2147483647,
      cmd: 1,
      timestamp: "-1",
      sequence: "18446744073709551615",
      ack: "0",
      callId: 4294967295,
      kind: 12,
      status: -1,
      timeoutMs: 4294967295,
      trace: "é",
      ext: "12 00",
    },
    bytes: `${P} 00 18 FF FF FF FF 07 20 01 30 FF FF FF FF FF FF FF FF FF 01 38 FF FF FF FF FF FF FF FF FF 01 40 00 48 FF FF FF FF 0F 50 0C 58 FF FF FF FF FF FF FF FF FF 01 60 FF FF FF FF 0F 6A 02 C3 A9 72 02 12 00 7D B2 BF AE 45`,
  },
];
