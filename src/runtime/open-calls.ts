/** Open calls by their id. A `Map` does; on Node call-map.ts is faster, and its entries put that in place. */
export interface OpenCalls<T> {
  readonly size: number;
  get(id: number): T | undefined;
  has(id: number): boolean;
  /** Puts a call in, in place of one with the same id. */
  set(id: number, call: T): void;
  /** False if there is none. */
  delete(id: number): boolean;
  /** In the order of their ids, or in that in which they were opened. */
  values(): Iterable<T>;
}

let Provided: (new <T>() => OpenCalls<T>) | undefined;

/** Makes all calls from here on be kept in one of `provided`. */
export function provideOpenCalls(provided: new <T>() => OpenCalls<T>): void {
  Provided = provided;
}

export function newOpenCalls<T>(): OpenCalls<T> {
  return Provided === undefined ? new Map<number, T>() : new Provided<T>();
}
