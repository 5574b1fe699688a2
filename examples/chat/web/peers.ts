/** Who a line is from and who is here: a name that anybody may choose, and the id that the server gave to tell peers apart. */
import type { Peer, PresenceRequest } from "../gen/chat/v1/chat.js";
import { element, make } from "./dom.js";

const presence = element("presence", HTMLDetailsElement);
const summary = presence.querySelector("summary") as HTMLElement;
const list = element("peers", HTMLUListElement);

/** The ids that the server has given this page in the present room. A session that could not be resumed has another one. */
const own = new Set<string>();
let room = "";

/** This page has the id `peer` in `inRoom`. True if that is another room than before. */
export function isPeer(peer: string, inRoom: string): boolean {
  const moved = room !== inRoom;
  if (moved) {
    own.clear();
    // A reload leaves the lines that the page wrote before it the page's own.
    for (const before of remembered(inRoom)) own.add(before);
  }
  room = inRoom;
  own.add(peer);
  remember(inRoom);
  return moved;
}

export function isOwn(peer: string): boolean {
  return own.has(peer);
}

/** The name and the id, as both stand above a line and in the list of who is here. */
export function nameOf({ id, name }: Pick<Peer, "id" | "name">): HTMLElement[] {
  const author = make("b", "author", name === "" ? "no name yet" : name);
  // Right-to-left names, and characters that turn the direction, stay within the name.
  author.dir = "auto";
  const number = make("span", "number", `#${id}`);
  const parts = [author, number];
  if (isOwn(id)) parts.push(make("span", "you", "you"));
  return parts;
}

/** A round mark with the first letter, in a colour that the id gives. */
export function markOf({ id, name }: Pick<Peer, "id" | "name">): HTMLElement {
  const letter = /\p{L}|\p{N}|\p{Extended_Pictographic}/u.exec(name)?.[0] ?? "?";
  const mark = make("span", "avatar", letter.toUpperCase());
  mark.ariaHidden = "true";
  // Multiples of the golden angle: ids in a row have colours far from each other.
  mark.style.setProperty("--hue", String((Number.parseInt(id, 10) * 137.5) % 360));
  return mark;
}

/** Shows who is here. */
export function showPresence({ websocket, tcp, peers }: PresenceRequest): void {
  summary.textContent = `here: ${websocket} WebSocket, ${tcp} TCP`;
  list.replaceChildren(
    ...peers.map((peer) => {
      const item = make("li", "peer");
      const words = make("span", "who");
      words.append(...nameOf(peer), viaOf(peer.via));
      item.append(markOf(peer), words);
      return item;
    }),
  );
}

/** Without a connection nobody knows who is here. */
export function presenceUnknown(): void {
  if (list.childElementCount > 0) summary.textContent = summary.textContent?.replace(/^here:/, "were here:") ?? "";
}

/** How a line or a peer came: the transport and the version of the wire. */
export function viaOf(via: string): HTMLElement {
  const made = make("span", "via", via);
  made.dataset.via = via;
  return made;
}

function remembered(inRoom: string): string[] {
  try {
    const [kept, ...peers] = (sessionStorage.getItem("peers") ?? "").split(" ");
    return kept === inRoom ? peers : [];
  } catch {
    // A browser may forbid storage.
    return [];
  }
}

function remember(inRoom: string): void {
  try {
    sessionStorage.setItem("peers", [inRoom, ...own].join(" "));
  } catch {
    // As above.
  }
}
