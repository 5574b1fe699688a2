/** A peer of the server that the page came from, with an outbox of the browser. */
import { openOutbox } from "framewire/outbox";
import { Peer } from "./peer.js";

export function browserPeer(): Peer {
  return new Peer(location.origin.replace("http", "ws"), (name) => openOutbox(name, { durability: "process" }));
}
