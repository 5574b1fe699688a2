/** The kinds of frames, FrameKind of proto/framewire/v1/data_frame.proto, as constants that a bundler can put in place. */
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";

export const KIND_MESSAGE = 0 satisfies FrameKind;
export const KIND_REQUEST = 1 satisfies FrameKind;
export const KIND_RESPONSE = 2 satisfies FrameKind;
export const KIND_ITEM = 3 satisfies FrameKind;
export const KIND_END = 4 satisfies FrameKind;
export const KIND_CREDIT = 5 satisfies FrameKind;
export const KIND_CANCEL = 6 satisfies FrameKind;
export const KIND_HELLO = 7 satisfies FrameKind;
export const KIND_WELCOME = 8 satisfies FrameKind;
export const KIND_PING = 9 satisfies FrameKind;
export const KIND_PONG = 10 satisfies FrameKind;
export const KIND_ACK = 11 satisfies FrameKind;
export const KIND_GOAWAY = 12 satisfies FrameKind;
