/** `framewire`: the errors and types that every other subpath shares. */

export type { CallErrorCode, CloseErrorCode, ErrorCode, FramewireErrorOptions } from "./errors.js";
export { closeCodeOf, codeOfCloseCode, codeOfStatus, FramewireError, isCallErrorCode, isRetryable, statusOf } from "./errors.js";
export type { ConnectionOptions, DecoderOptions, FrameOptions, Logger, PeerDescription, ReconnectOptions, Recovery } from "./options.js";
export { DEFAULTS } from "./options.js";
export { printable } from "./printable.js";
