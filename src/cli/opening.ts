/** What the first frame of a session says about the frames behind it. */
import type { FrameView } from "../codec/index.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../gen/framewire/v1/session.js";

/** The opening of one direction of a session. */
export interface Opening {
  /** Who sends this direction: the client opens with a hello, the server with a welcome. */
  readonly side: "client" | "server";
  /** Seed of the checksums of all further frames of this direction. */
  readonly checksumSeed: number;
}

/** Reads a hello or welcome; `undefined` for every other frame, and for one whose payload is neither. */
export function openingOf(frame: FrameView): Opening | undefined {
  if (frame.version < 2 || frame.cmd !== 0) return undefined;
  try {
    if (frame.kind === FrameKind.FRAME_KIND_HELLO) return { side: "client", checksumSeed: Hello.decode(frame.payload).checksumSeed };
    if (frame.kind === FrameKind.FRAME_KIND_WELCOME) return { side: "server", checksumSeed: Welcome.decode(frame.payload).checksumSeed };
    return undefined;
  } catch {
    return undefined;
  }
}
