/** Decodes payloads by the frame's command, with the types of .proto files or of a compiled descriptor set. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Field, Method, Type } from "protobufjs";
import type { FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { loadDescriptorSet, loadProtoFiles, type SchemaCommand } from "./schema-files.js";

/** A payload as its message. */
export interface DecodedMessage {
  /** Full name of the message type. */
  readonly type: string;
  /** The message, ready for JSON: 64-bit integers and enums as strings, bytes as base64. Absent if it did not decode. */
  readonly value?: unknown;
  /** Why the payload is not a message of the type. */
  readonly error?: string;
}

/** Message types by command. */
export class Schema {
  readonly #methods = new Map<number, Method>();

  /** @throws FramewireError `duplicate-command` if two methods claim one command. */
  constructor(commands: Iterable<SchemaCommand>) {
    for (const { cmd, method } of commands) {
      const before = this.#methods.get(cmd);
      if (before !== undefined && before.fullName !== method.fullName) {
        throw new FramewireError("duplicate-command", `command ${cmd} is declared by ${nameOf(before)} and by ${nameOf(method)}`);
      }
      this.#methods.set(cmd, method);
    }
  }

  /** Commands that the schema knows. */
  get size(): number {
    return this.#methods.size;
  }

  /**
   * Decodes the payload of `frame`; `undefined` if its command is unknown or its kind carries no message.
   * @param side who sends the stream, if its opening told.
   */
  decode(frame: FrameView, side: "client" | "server" | undefined): DecodedMessage | undefined {
    const method = this.#methods.get(frame.cmd);
    if (method === undefined) return undefined;
    const types = typesOf(method, frame, side);
    const attempts = types.map((type) => decodeAs(type, frame.payload));
    // Protobuf skips fields that it does not know, so that nearly everything decodes as nearly every type.
    const fitting = types.findIndex((type, i) => attempts[i]!.error === undefined && fits(type, frame.payload));
    return attempts[fitting] ?? attempts.find(({ error }) => error === undefined) ?? attempts[0];
  }
}

/**
 * Loads the schema that the user named; `undefined` if none was.
 * @throws FramewireError `invalid-option` if a file cannot be read or parsed, or protobufjs is not installed; `duplicate-command`.
 */
export async function loadSchema(protoFiles: readonly string[], descriptorSet: string | undefined): Promise<Schema | undefined> {
  if (protoFiles.length === 0 && descriptorSet === undefined) return undefined;
  const commands: SchemaCommand[] = [];
  if (protoFiles.length > 0) commands.push(...(await loadProtoFiles(protoFiles)));
  if (descriptorSet !== undefined) commands.push(...(await loadDescriptorSet(descriptorSet)));
  const schema = new Schema(commands);
  if (schema.size === 0) {
    throw new FramewireError("invalid-option", "the schema declares no command: no method has option (framewire.v1.command)");
  }
  return schema;
}

/** The types that the payload may have, the likelier first. A capture does not always tell which way a frame went. */
function typesOf(method: Method, frame: FrameView, side: "client" | "server" | undefined): readonly Type[] {
  method.resolve();
  const request = method.resolvedRequestType!;
  const response = method.resolvedResponseType!;
  const kind = frame.version < 2 ? FrameKind.FRAME_KIND_MESSAGE : (frame.kind ?? FrameKind.FRAME_KIND_MESSAGE);
  switch (kind) {
    // A version 1 reply carries the command of its request and nothing that says so.
    case FrameKind.FRAME_KIND_MESSAGE:
      return frame.version < 2 ? [request, response] : [request];
    // The items follow in frames of their own.
    case FrameKind.FRAME_KIND_REQUEST:
      return method.requestStream === true ? [] : [request];
    case FrameKind.FRAME_KIND_RESPONSE:
      return method.responseStream === true || (frame.status ?? 0) !== 0 ? [] : [response];
    case FrameKind.FRAME_KIND_ITEM: {
      if (side !== undefined) {
        // Odd calls are the client's, and a caller sends requests.
        const callersSide = (frame.callId ?? 0) % 2 === 1 ? "client" : "server";
        return callersSide === side ? [request] : [response];
      }
      if (method.requestStream === true) return method.responseStream === true ? [request, response] : [request];
      return [response];
    }
    default:
      return [];
  }
}

function decodeAs(type: Type, payload: Uint8Array): DecodedMessage {
  const name = type.fullName.slice(1);
  try {
    const value = type.toObject(type.decode(payload), { longs: String, enums: String, bytes: String, json: true });
    return { type: name, value };
  } catch (error) {
    return { type: name, error: (error as Error).message };
  }
}

/** Whether every field of the payload is one of the type's, with the wire type that it has there. The payload is known to decode. */
function fits(type: Type, payload: Uint8Array): boolean {
  const reader = new BinaryReader(payload);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = type.fieldsById[number];
    if (field === undefined) return false;
    const packed = field.repeated && wireType === WireType.LengthDelimited;
    if (!packed && wireType !== wireTypeOf(field)) return false;
    reader.skip(wireType, number);
  }
  return true;
}

function wireTypeOf(field: Field): WireType {
  if (field.map) return WireType.LengthDelimited;
  if (field.delimited) return WireType.StartGroup;
  if (field.resolvedType !== null) return "values" in field.resolvedType ? WireType.Varint : WireType.LengthDelimited;
  if (field.type === "string" || field.type === "bytes") return WireType.LengthDelimited;
  if (field.type === "double" || field.type.endsWith("fixed64")) return WireType.Bit64;
  return field.type === "float" || field.type.endsWith("fixed32") ? WireType.Bit32 : WireType.Varint;
}

function nameOf(method: Method): string {
  return method.fullName.slice(1);
}
