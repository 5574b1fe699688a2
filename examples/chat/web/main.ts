/** The chat page: a framewire client on the browser's own WebSocket, typed by the generated service. */
import { FramewireError } from "framewire";
import { createClient } from "framewire/client";
import { ChatEventsServiceDefinition, ChatServiceDefinition, type Line } from "../gen/chat/v1/chat.js";

const lines = element("lines", HTMLOListElement);
const state = element("state", HTMLSpanElement);
const presence = element("presence", HTMLParagraphElement);
const composer = element("composer", HTMLFormElement);
const author = element("author", HTMLInputElement);
const text = element("text", HTMLInputElement);
const send = element("send", HTMLButtonElement);
const problem = element("problem", HTMLParagraphElement);

author.value = localStorage.getItem("author") ?? `Guest ${Math.floor(Math.random() * 900 + 100)}`;

const client = createClient(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`);
const chat = client.service(ChatServiceDefinition);

client.implement(ChatEventsServiceDefinition, {
  posted({ line }) {
    if (line !== undefined) show(line);
    return {};
  },
  presence({ websocket, tcp }) {
    presence.textContent = `here: ${websocket} WebSocket, ${tcp} TCP`;
    return {};
  },
});

client.on("state", (now) => {
  state.dataset.state = now;
  state.textContent = now;
  send.disabled = now !== "connected";
  // Whatever was posted while the connection was away.
  if (now === "connected") attempt(async () => (await chat.history({ limit: 0 })).lines.forEach(show)).catch(console.error);
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (words === "") return;
  localStorage.setItem("author", author.value);
  text.value = "";
  text.focus();
  attempt(() => chat.send({ author: author.value, text: words }, { timeoutMs: 10_000 })).catch(console.error);
});

await attempt(() => client.connect());

/** Adds a line unless it is there already, in the order of the ids. */
function show(line: Line): void {
  const id = `line-${line.id}`;
  if (document.getElementById(id) !== null) return;
  const item = document.createElement("li");
  item.id = id;
  item.dataset.id = String(line.id);
  item.className = line.author === author.value ? "line own" : "line";
  const meta = document.createElement("p");
  meta.className = "meta";
  const via = span(line.via, "via");
  via.dataset.via = line.via;
  const name = document.createElement("b");
  name.textContent = line.author;
  const time = new Date(Number(line.sentAtMs)).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  meta.append(name, via, span(time));
  const bubble = document.createElement("p");
  bubble.className = "bubble";
  bubble.textContent = line.text;
  item.append(meta, bubble);
  const next = [...lines.children].find((other) => other instanceof HTMLElement && BigInt(other.dataset.id ?? 0) > line.id);
  lines.insertBefore(item, next ?? null);
  lines.scrollTo({ top: lines.scrollHeight });
}

function span(words: string, className = ""): HTMLSpanElement {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = words;
  return made;
}

/** Runs `work` and tells the reader if it fails. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    problem.hidden = true;
  } catch (error) {
    problem.textContent = FramewireError.from(error).message;
    problem.hidden = false;
  }
}

function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} called ${id}`);
  return found;
}
