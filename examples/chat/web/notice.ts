/** The notice above the conversation: what is wrong, why, what happens next, and one button for it. */
import { element } from "./dom.js";

const notice = element("notice", HTMLElement);
const title = element("notice-title", HTMLElement);
const text = element("notice-text", HTMLSpanElement);
const reason = element("notice-reason", HTMLParagraphElement);
const button = element("retry", HTMLButtonElement);

let onButton: () => void = () => {};
button.addEventListener("click", () => {
  // Not the attribute `disabled`: a button that has it loses the focus.
  if (button.ariaDisabled !== "true") onButton();
});

export interface Notice {
  readonly title: string;
  readonly text: string;
  /** Why, in the words of the library. */
  readonly reason: string;
  readonly button: string;
  readonly run: () => void;
}

export function showNotice(shown: Notice): void {
  title.textContent = shown.title;
  text.textContent = shown.text;
  reason.textContent = shown.reason;
  button.textContent = shown.button;
  button.ariaDisabled = null;
  onButton = shown.run;
  notice.hidden = false;
}

/** Changes the text of a notice that is shown. `busy`: the button has nothing to do meanwhile. */
export function updateNotice(words: string, { busy = false, why }: { readonly busy?: boolean; readonly why?: string } = {}): void {
  text.textContent = words;
  button.ariaDisabled = busy ? "true" : null;
  if (why !== undefined) reason.textContent = why;
}

/** `focusNext` takes the focus if the button had it. */
export function hideNotice(focusNext: HTMLElement): void {
  if (document.activeElement === button) focusNext.focus();
  notice.hidden = true;
}
