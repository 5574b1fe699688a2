/** What makes the codec fast on Node and would be too much for a page, put in place by Node's entries. docs/decisions/browser-size.md */

import { provideLongCrc } from "../codec/checksum/crc32.js";
import { crcOfRun } from "../codec/checksum/window-crc.js";
import { providePlainWay } from "../codec/decoder/frame-machine.js";
import { PLAIN_WAY } from "../codec/decoder/plain-frame.js";
import { provideMessageWriter } from "../codec/encoder/frame-encoder.js";
import { MessageWriter } from "../protobuf/message-writer.js";

/** Writes into the buffers of frame encoders, and so may write nowhere else: it stands in the last of them, with frames that have not left. */
const frameWriter = new MessageWriter();

/** From here on all coding of this process goes the fast ways. */
export function useFastWays(): void {
  provideMessageWriter(frameWriter);
  provideLongCrc(crcOfRun);
  providePlainWay(PLAIN_WAY);
}
