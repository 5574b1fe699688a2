/** What makes the codec fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */
import { provideLongCrc } from "./crc32.js";
import { provideMessageWriter } from "./frame-encoder.js";
import { providePlainWay } from "./frame-machine.js";
import { MessageWriter } from "./message-writer.js";
import { PLAIN_WAY } from "./plain-frame.js";
import { crcOfRun } from "./window-crc.js";

/** Writes into the buffers of frame encoders, and so may write nowhere else: it stands in the last of them, with frames that have not left. */
const frameWriter = new MessageWriter();

/** From here on all coding of this process goes the fast ways. */
export function useFastWays(): void {
  provideMessageWriter(frameWriter);
  provideLongCrc(crcOfRun);
  providePlainWay(PLAIN_WAY);
}
