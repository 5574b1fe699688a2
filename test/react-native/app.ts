/** What the tests run in React Native: the client of the browsers' test page, and every entry for React Native. */
import { FramewireError } from "framewire";
import { createClient } from "framewire/client";
import * as codec from "framewire/codec";
import * as outbox from "framewire/outbox";
import * as testing from "framewire/testing";
import { type Action, act, Peer } from "../compatibility/page/peer.js";

/** What the tests call. */
export interface App {
  peer(url: string): (action: Action, ...args: readonly unknown[]) => Promise<unknown>;
  readonly names: Readonly<Record<string, readonly string[]>>;
  readonly createClient: typeof createClient;
  /** A frame there and back. */
  frame(text: string): string;
  isFramewireError(error: unknown): boolean;
}

const app: App = {
  peer(url) {
    const peer = new Peer(url, () => Promise.reject(new Error("there is no IndexedDB in React Native")));
    return (action, ...args) => act(peer, action, args);
  },
  names: { codec: Object.keys(codec), outbox: Object.keys(outbox), testing: Object.keys(testing) },
  createClient,
  frame(text) {
    const decoder = new codec.FrameDecoder();
    let read = "";
    decoder.push(codec.encodeFrame({ version: 2, cmd: 300, payload: new TextEncoder().encode(text) }), (frame) => {
      read = new TextDecoder().decode(frame.payload);
    });
    return read;
  },
  isFramewireError: (error) => error instanceof FramewireError,
};

Object.assign(globalThis, { app });
