/** The messages of the protocol itself, as tables: proto/framewire/v1. Their types are the generated ones, and so are their bytes. */
import type * as command from "../gen/framewire/v1/command.js";
import type * as frame from "../gen/framewire/v1/data_frame.js";
import type * as session from "../gen/framewire/v1/session.js";
import { BOOL, BYTES, ControlCodec, FIXED32, INT32, STRING, STRING_MAP, UINT32, UINT64 } from "./control-codec.js";

export type { Gap, Limits, PeerInfo } from "../gen/framewire/v1/session.js";

/** Verdicts of a welcome with which a session goes on. */
export const VERDICT_RESUMED = 1 satisfies session.ResumeVerdict;
export const VERDICT_GAP = 2 satisfies session.ResumeVerdict;

const Limits = new ControlCodec<session.Limits>({ maxPayload: UINT32, maxCalls: UINT32, initialCredit: UINT32, maxTrailer: UINT32 });
const Capabilities = new ControlCodec<session.Capabilities>({ batching: BOOL });
const PeerInfo = new ControlCodec<session.PeerInfo>({ name: STRING, version: STRING, platform: STRING });
const ResumeRequest = new ControlCodec<session.ResumeRequest>({
  token: BYTES,
  received: UINT64,
  oldest: UINT64,
  restarted: BOOL,
  attempt: UINT32,
});
const Gap = new ControlCodec<session.Gap>({ from: UINT64, to: UINT64, reason: STRING });

/** First frame of a client. */
export type Hello = session.Hello;
export const Hello = new ControlCodec<session.Hello>({
  minVersion: UINT32,
  maxVersion: UINT32,
  checksumSeed: FIXED32,
  limits: Limits,
  capabilities: Capabilities,
  peer: PeerInfo,
  schemaFingerprint: STRING,
  credentials: BYTES,
  resume: ResumeRequest,
});

/** First frame of a server. */
export type Welcome = session.Welcome;
export const Welcome = new ControlCodec<session.Welcome>({
  version: UINT32,
  checksumSeed: FIXED32,
  limits: Limits,
  capabilities: Capabilities,
  peer: PeerInfo,
  schemaFingerprint: STRING,
  token: BYTES,
  resumeWindowMs: UINT32,
  verdict: INT32,
  received: UINT64,
  toClient: Gap,
  toServer: Gap,
  heartbeatIntervalMs: UINT32,
  heartbeatTimeoutMs: UINT32,
});

/** Further credit for one stream. */
export const Credit = new ControlCodec<session.Credit>({ bytes: UINT32 });

/** The sender will close. */
export type Goaway = session.Goaway;
export const Goaway = new ControlCodec<session.Goaway>({ reason: STRING, reconnectSpreadMs: UINT32, closeCode: UINT32 });

/** Metadata and the text of an error. */
export const FrameExt = new ControlCodec<frame.FrameExt>({ metadata: STRING_MAP, message: STRING });

/** A method option on its own: the bytes behind the tag of an extension, read as the first field of a message. */
export const MethodOption = new ControlCodec<{ readonly command: command.CommandOptions }>({
  command: new ControlCodec<command.CommandOptions>({ cmd: INT32, delivery: INT32, slowConsumer: INT32, oneWay: BOOL }),
});
