/** Every option, its default, and the one function that puts them together and checks them. */
import { FramewireError } from "./errors.js";

/** What the decoder does after a byte that cannot belong to a frame. */
export type Recovery = "resync" | "close";

/** Options shared by everything that reads or writes frames. */
export interface FrameOptions {
  /** First field of every frame and the sync word; 2^28 to 2^31-1. Default 0x7EDDFCF5. */
  readonly magic?: number;
  /** Largest payload of one frame, in bytes, 0 to 2^31-1. Default 1 MiB. */
  readonly maxPayload?: number;
}

/** Options of a frame decoder. */
export interface DecoderOptions extends FrameOptions {
  /** Largest trailer of a version 2 frame, from the end of the payload to the end of the checksum, in bytes. Default 1 KiB. */
  readonly maxTrailer?: number;
  /** Lowest wire version accepted; 2 makes every frame carry a checksum. Default 1. */
  readonly minVersion?: number;
  /** `"resync"` (default) looks for the next frame after damage; `"close"` throws at the first damaged byte. */
  readonly recovery?: Recovery;
  /** Seed of the sender's checksums (docs/wire.md section 3), an unsigned 32-bit integer. Default: none. */
  readonly checksumSeed?: number | undefined;
}

/** Every default value, written once. docs/options.md is held to this object by a test. */
export const DEFAULTS = {
  magic: 0x7eddfcf5,
  maxPayload: 1024 * 1024,
  maxTrailer: 1024,
  minVersion: 1,
  recovery: "resync",
} as const;

interface Range {
  readonly min: number;
  readonly max: number;
}

const INT31 = 0x7fff_ffff;

const RANGES: Readonly<Record<string, Range>> = {
  magic: { min: 0x1000_0000, max: INT31 },
  maxPayload: { min: 0, max: INT31 },
  maxTrailer: { min: 5, max: INT31 },
  minVersion: { min: 1, max: INT31 },
  checksumSeed: { min: 0, max: 0xffff_ffff },
};

/**
 * Lays `given` over `defaults` and checks every number against its range.
 * @throws FramewireError `invalid-option`, naming the option, its value and the range.
 */
export function resolveOptions<D extends object, G extends object>(defaults: D, given: G): D & G {
  const resolved = { ...defaults } as Record<string, unknown>;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const range = RANGES[name];
    if (range !== undefined && !(Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max)) {
      throw new FramewireError("invalid-option", `${name} is ${String(value)}; it must be an integer from ${range.min} to ${range.max}`);
    }
    if (name === "recovery" && value !== "resync" && value !== "close") {
      throw new FramewireError("invalid-option", `recovery is ${String(value)}; it must be "resync" or "close"`);
    }
    resolved[name] = value;
  }
  return resolved as D & G;
}
