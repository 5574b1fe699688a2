/** The conversation: the lines of the room in their order, and below them what this page has written and the room does not have yet. */
import type { Line } from "../gen/chat/v1/chat.js";
import { element, make } from "./dom.js";
import { isOwn, markOf, nameOf, viaOf } from "./peers.js";

/** So close to the end, in pixels, a reader is taken along to new lines. */
const NEAR_END = 60;

const scroller = element("scroller", HTMLElement);
// What scrolls must be reachable by the keyboard; not every browser sees to that.
scroller.tabIndex = 0;

/** Whether the reader is at the end, and stays there whatever comes. */
let atEnd = true;
/** The height of what is seen, as the observer last saw it. */
let height = scroller.clientHeight;
scroller.addEventListener("scroll", () => {
  // A height that has just become less moves the end away from a reader who has not moved: the observer below comes next, in the same frame.
  const seen = Math.max(height, scroller.clientHeight);
  atEnd = scroller.scrollHeight - scroller.scrollTop - seen < NEAR_END;
});
// A notice or the phone's keyboard takes some of the height.
new ResizeObserver(() => {
  height = scroller.clientHeight;
  if (atEnd) toEnd();
}).observe(scroller);
const log = element("log", HTMLDivElement);
const lines = element("lines", HTMLOListElement);
const drafts = element("drafts", HTMLOListElement);

/** Adds a line unless it is there already, in the order of the ids. */
export function show(line: Line): void {
  const id = `line-${line.id}`;
  if (document.getElementById(id) !== null) return;
  const own = isOwn(line.peer);
  const item = make("li", own ? "line own" : "line");
  item.id = id;
  item.dataset.id = String(line.id);
  const author = { id: line.peer, name: line.author };
  const meta = make("p", "meta");
  meta.append(...nameOf(author), viaOf(line.via), timeOf(new Date(Number(line.sentAtMs))));
  item.append(markOf(author), meta, bubbleOf(line.text));
  const next = [...lines.children].find((other) => other instanceof HTMLElement && BigInt(other.dataset.id ?? 0) > line.id);
  keepingEnd(() => {
    if (own && line.key !== "") document.getElementById(`draft-${line.key}`)?.remove();
    lines.insertBefore(item, next ?? null);
  });
}

/** Adds lines of the past, which a screen reader does not read out. */
export function showHistory(history: readonly Line[]): void {
  log.ariaLive = "off";
  history.forEach(show);
  setTimeout(() => {
    log.ariaLive = "polite";
  }, 1000);
}

/** Begins anew in another room: its lines are counted from 1 again. Those of the old room stay, above `words`. */
export function beginRoom(words: string): void {
  for (const line of lines.children) {
    line.removeAttribute("id");
    if (line instanceof HTMLElement) line.dataset.id = "0";
  }
  if (lines.childElementCount === 0) return;
  const item = make("li", "break", words);
  item.dataset.id = "0";
  keepingEnd(() => lines.append(item));
}

/** A line that this page has written, until the room has it. */
export class Draft {
  readonly text: string;
  /** A new one for each line: the server posts a line with the same key once, however often it is sent. */
  readonly key = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  readonly #item = make("li", "line own draft");
  readonly #state = make("span", "draft-state");
  readonly #actions = make("span", "actions");

  constructor(text: string) {
    this.text = text;
    this.#item.id = `draft-${this.key}`;
    const meta = make("p", "meta");
    meta.append(this.#state, this.#actions);
    this.#item.append(bubbleOf(text), meta);
    drafts.append(this.#item);
  }

  /** Says that it is under way: `words`. */
  underWay(words: string): void {
    this.#item.classList.remove("failed");
    this.#state.textContent = words;
    this.#actions.replaceChildren();
    toEnd();
  }

  /** Says why it was not posted, and offers `again`. */
  failed(reason: string, again: () => void): void {
    keepingEnd(() => {
      this.#item.classList.add("failed");
      this.#state.textContent = `Not sent: ${reason}`;
      this.#actions.replaceChildren(
        buttonOf("Send again", again),
        buttonOf("Delete", () => this.remove()),
      );
    });
  }

  remove(): void {
    this.#item.remove();
  }
}

/** Says of all drafts that have not failed what becomes of them. */
export function draftsUnderWay(words: string): void {
  for (const state of drafts.querySelectorAll(".draft:not(.failed) .draft-state")) state.textContent = words;
}

function bubbleOf(text: string): HTMLElement {
  const bubble = make("p", "bubble", text);
  bubble.dir = "auto";
  return bubble;
}

function timeOf(date: Date): HTMLElement {
  const time = make("time", "time", date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = date.toISOString();
  return time;
}

function buttonOf(words: string, run: () => void): HTMLElement {
  const button = make("button", "small", words);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

/** Changes what is shown. A reader at the end stays there; one who has scrolled up is left alone. */
function keepingEnd(change: () => void): void {
  const stay = atEnd;
  change();
  if (stay) toEnd();
}

function toEnd(): void {
  scroller.scrollTo({ top: scroller.scrollHeight });
}
