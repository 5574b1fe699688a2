/** What makes the codec fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */

import { MessageWriter } from "../protobuf/message-writer.js";
import { provideLongCrc } from "./checksum/crc32.js";
import { crcOfRun } from "./checksum/window-crc.js";
import { providePlainWay } from "./decoder/frame-machine.js";
import { PLAIN_WAY } from "./decoder/plain-frame.js";
import { provideMessageWriter } from "./encoder/frame-encoder.js";

/** Writes into the buffers of frame encoders, and so may write nowhere else: it stands in the last of them, with frames that have not left. */
const frameWriter = new MessageWriter();

/** From here on all coding of this process goes the fast ways. */
export function useFastWays(): void {
  provideMessageWriter(frameWriter);
  provideLongCrc(crcOfRun);
  providePlainWay(PLAIN_WAY);
}
