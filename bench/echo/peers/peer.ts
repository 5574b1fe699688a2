/** What a contestant of the echo benchmark brings: a server that gives messages back, and a client to call it. */

/** One contestant. */
export interface EchoPeer {
  /** Starts the server on loopback. Resolves with its port. */
  serve(): Promise<number>;
  /** Opens one connection; `replied` is called once for each answer. */
  connect(port: number, replied: () => void): Promise<Lane>;
}

/** One open connection. */
export interface Lane {
  /** Makes ready to send messages of `bytes` bytes. */
  prepare(bytes: number): void;
  /** Sends one message and returns; its answer calls `replied`. */
  send(): void;
}

/** Throws where an answer is not what was sent: a contestant that loses bytes has no figure. */
export function same(what: string, got: number, expected: number): void {
  if (got !== expected) throw new Error(`an answer has ${what} ${got}, not ${expected}`);
}

/** The port of a server that listens. */
export function portOf(server: { address(): string | { readonly port: number } | null }): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  return address.port;
}
