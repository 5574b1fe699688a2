/** What a contestant of the fan-out benchmark brings: a server that sends to all, and receivers. */

/** One contestant. */
export interface FanoutPeer {
  /** Starts the server on loopback. */
  serve(): Promise<FanoutServer>;
  /** Opens one connection; `received` is called for each message. */
  connect(port: number, received: () => void): Promise<void>;
}

/** The server's side. */
export interface FanoutServer {
  readonly port: number;
  /** Sends the message to every client. */
  broadcast(): void;
}
