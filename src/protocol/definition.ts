/** The shapes of generated code that framewire reads, and the types it derives from them. No behaviour. */

/**
 * What encodes and decodes one message type: ts-proto's `MessageFns`, a protobufjs class or reflected type, or
 * anything of the same shape. What `finish` gives is written or copied before the codec is asked for anything else, so a
 * codec may use one buffer for all its messages. The bytes that `decode` gets are its own: it may keep them.
 */
export interface MessageCodec<In = unknown, Out = unknown> {
  encode(message: In): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Out;
}

/** A method of a ts-proto generic definition (`outputServices=generic-definitions`). */
export interface MethodDefinition {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: generated codecs are invariant in their message type
  readonly requestType: MessageCodec<any, any>;
  readonly requestStream: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: generated codecs are invariant in their message type
  readonly responseType: MessageCodec<any, any>;
  readonly responseStream: boolean;
  readonly options: { readonly _unknownFields?: Readonly<Record<number, readonly Uint8Array[]>> };
}

/** A ts-proto generic service definition. */
export interface ServiceDefinition {
  readonly name: string;
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

type Primitive = Date | ((...args: never) => unknown) | Uint8Array | string | number | boolean | bigint | undefined;

/** A message in which every field may be left out, as ts-proto's `fromPartial` takes it. */
export type DeepPartial<T> = T extends bigint
  ? string | number | bigint
  : T extends Primitive
    ? T
    : T extends readonly (infer U)[]
      ? readonly DeepPartial<U>[]
      : T extends object
        ? { [K in keyof T]?: DeepPartial<T[K]> }
        : Partial<T>;

/** The message that a codec reads. */
export type OutputOf<C> = C extends { decode(bytes: Uint8Array): infer Out } ? Out : never;

/** The message that a codec writes: partial where it has `fromPartial`. */
export type InputOf<C> = C extends { fromPartial(object: never): infer T } ? DeepPartial<T> : C extends MessageCodec<infer In> ? In : never;

/** The message that a method is sent with; never, if it has streams and can only be called. */
export type MessageOf<M extends MethodDefinition> = M["requestStream"] extends true
  ? never
  : M["responseStream"] extends true
    ? never
    : InputOf<M["requestType"]>;

/** What a handler may return: the value or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** One handler of `implement`, by the method's kind. */
export type MethodHandler<M extends MethodDefinition, Context> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: AsyncIterable<OutputOf<M["requestType"]>>, context: Context) => AsyncIterable<InputOf<M["responseType"]>>
    : (requests: AsyncIterable<OutputOf<M["requestType"]>>, context: Context) => Awaitable<InputOf<M["responseType"]>>
  : M["responseStream"] extends true
    ? (request: OutputOf<M["requestType"]>, context: Context) => AsyncIterable<InputOf<M["responseType"]>>
    : // biome-ignore lint/suspicious/noConfusingVoidType: a one-way handler returns nothing
      (request: OutputOf<M["requestType"]>, context: Context) => Awaitable<InputOf<M["responseType"]> | void>;

/** What `implement` takes: a handler for each method that is to be served. */
export type ServiceImplementation<D extends ServiceDefinition, Context> = {
  readonly [N in keyof D["methods"]]?: MethodHandler<D["methods"][N], Context>;
};

/** One method of `service`, by the method's kind. */
export type ClientMethod<M extends MethodDefinition, Options> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: MessageSource<InputOf<M["requestType"]>>, options?: Options) => AsyncIterable<OutputOf<M["responseType"]>>
    : (requests: MessageSource<InputOf<M["requestType"]>>, options?: Options) => Promise<OutputOf<M["responseType"]>>
  : M["responseStream"] extends true
    ? (request: InputOf<M["requestType"]>, options?: Options) => AsyncIterable<OutputOf<M["responseType"]>>
    : (request: InputOf<M["requestType"]>, options?: Options) => Promise<OutputOf<M["responseType"]>>;

/** The typed client of a service: one function for each method. */
export type ServiceClient<D extends ServiceDefinition, Options> = {
  readonly [N in keyof D["methods"]]: ClientMethod<D["methods"][N], Options>;
};

/** Messages for a stream: anything that `for await` takes. */
export type MessageSource<T> = AsyncIterable<T> | Iterable<T>;
