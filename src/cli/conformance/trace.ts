/** The frames of a case, both ways, as rows or as JSON lines. */
import { FrameDecoder, type FrameView } from "../../codec/index.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../gen/framewire/v1/session.js";
import { printable } from "../../printable.js";
import { frameToJson, gapToJson } from "../frame-json.js";
import { FrameRows } from "../frame-rows.js";
import type { WireTap } from "./wire.js";

/** The largest payload that is shown. */
const MAX_PAYLOAD = 64 * 1024 * 1024;
/** `   12 ms  1 > `: when, over which link of the case, and in which direction. */
const MARKS = { sent: ">", came: "<" } as const;

type Direction = keyof typeof MARKS;

export class Trace {
  /** What there is to print so far. */
  readonly lines: string[] = [];
  readonly #json: boolean;
  readonly #rows = new FrameRows({ colour: false });
  readonly #startedAt = performance.now();
  #links = 0;

  constructor(json: boolean) {
    this.#json = json;
    if (!json) this.lines.push(`${"".padEnd(13)}${this.#rows.header()}`);
  }

  /** A new link of the case. `messages`: each message is decoded by itself. */
  link(messages: boolean): WireTap {
    const link = ++this.#links;
    const decoders = { sent: this.#decoder(link, "sent"), came: this.#decoder(link, "came") };
    return {
      bytes: (direction, bytes) => {
        const { decoder, take } = decoders[direction];
        decoder.push(bytes, take);
        if (messages) decoder.flush(take);
      },
      ended: (how) => {
        for (const { decoder, take } of Object.values(decoders)) decoder.flush(take);
        this.#add(link, "came", printable(how), JSON.stringify({ type: "end", how }));
      },
    };
  }

  #decoder(link: number, direction: Direction): { decoder: FrameDecoder; take: (frame: FrameView) => void } {
    const decoder = new FrameDecoder({
      maxPayload: MAX_PAYLOAD,
      maxTrailer: MAX_PAYLOAD,
      onDiscard: (discard) => this.#add(link, direction, this.#rows.gap(discard), gapToJson(discard)),
    });
    let greeted = false;
    const take = (frame: FrameView) => {
      this.#add(link, direction, this.#rows.frame(frame, undefined), frameToJson(frame, undefined));
      if (greeted || frame.version === 1) return;
      greeted = true;
      const seed = seedIn(frame);
      if (seed !== undefined) decoder.update({ checksumSeed: seed, minVersion: 2 });
    };
    return { decoder, take };
  }

  #add(link: number, direction: Direction, row: string, json: string): void {
    const ms = Math.round(performance.now() - this.#startedAt);
    this.lines.push(
      this.#json
        ? printable(JSON.stringify({ type: "trace", ms, link, direction, what: JSON.parse(json) }))
        : `${String(ms).padStart(6)} ms ${link} ${MARKS[direction]} ${row}`,
    );
  }
}

/** The seed that a hello or welcome announces. */
function seedIn(frame: FrameView): number | undefined {
  const codec =
    frame.kindNumber === FrameKind.FRAME_KIND_HELLO ? Hello : frame.kindNumber === FrameKind.FRAME_KIND_WELCOME ? Welcome : undefined;
  try {
    return codec?.decode(frame.payload.slice()).checksumSeed;
  } catch {
    return undefined;
  }
}
