/** The chat page: a framewire client on the browser's own WebSocket, typed by the generated service. */
import { FramewireError } from "framewire";
import { createClient } from "framewire/client";
import { ChatEventsServiceDefinition, ChatServiceDefinition, type Line } from "../gen/chat/v1/chat.js";
import { showConnection } from "./connection.js";
import { announce, element } from "./dom.js";
import { beginRoom, Draft, draftsUnderWay, show, showHistory } from "./lines.js";
import { hideNotice, showNotice } from "./notice.js";
import { isPeer, presenceUnknown, showPresence } from "./peers.js";

const composer = element("composer", HTMLFormElement);
const author = element("author", HTMLInputElement);
const text = element("text", HTMLInputElement);

author.value = storedName() ?? `Guest ${Math.floor(Math.random() * 900 + 100)}`;

const client = createClient(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`);
const chat = client.service(ChatServiceDefinition);

/** Lines that came before the page knew which room it is in. */
let early: Line[] | undefined = [];

client.implement(ChatEventsServiceDefinition, {
  posted({ line }) {
    if (line === undefined) return {};
    if (early === undefined) show(line);
    else early.push(line);
    return {};
  },
  presence(here) {
    showPresence(here);
    return {};
  },
});

showConnection(client, text);
client.on("state", (state, { resumed }) => {
  draftsUnderWay(underWay());
  if (state !== "connected") return presenceUnknown();
  if (resumed === true) early ??= [];
  else early = [];
  join();
});

author.addEventListener("change", () => {
  storeName(author.value);
  // Calls made without a connection wait for one, and there the page says its name anyway.
  if (client.state === "connected") join();
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (words === "") return;
  storeName(author.value);
  text.value = "";
  text.focus();
  post(new Draft(words));
});

client.connect().catch((error: unknown) => console.info(`not connected: ${FramewireError.from(error).message}`));

/** Says who this page is, and gets its id and whatever was posted while it was away. */
function join(): void {
  chat.history({ limit: 0, author: author.value }).then(
    ({ lines, peer, room }) => {
      if (isPeer(peer, room)) beginRoom("The server was started anew: its room begins here.");
      showHistory([...lines, ...(early ?? [])]);
      early = undefined;
    },
    (error: unknown) => {
      // Without a connection there is a notice already, and the next connection asks again.
      if (client.state !== "connected") return;
      const { message } = FramewireError.from(error);
      const title = "The messages could not be loaded.";
      const run = () => {
        hideNotice(text);
        join();
      };
      showNotice({ title, text: "", reason: message, button: "Load them", run });
      announce(title);
    },
  );
}

/** Sends a draft. Without a connection the call waits for one; the line that comes back from the room takes the draft's place. */
function post(draft: Draft): void {
  draft.underWay(underWay());
  const limits = { timeoutMs: Number.POSITIVE_INFINITY };
  chat.send({ author: author.value, text: draft.text, key: draft.key }, limits).then(
    () => draft.remove(),
    (error: unknown) => {
      const { message } = FramewireError.from(error);
      draft.failed(message, () => post(draft));
      announce(`Not sent: ${message}`);
    },
  );
}

/** What becomes of a draft now. */
function underWay(): string {
  return client.state === "connected" ? "sending …" : "waits for the connection";
}

function storedName(): string | null {
  try {
    return localStorage.getItem("author");
  } catch {
    // A browser may forbid storage.
    return null;
  }
}

function storeName(name: string): void {
  try {
    localStorage.setItem("author", name);
  } catch {
    // As above.
  }
}
