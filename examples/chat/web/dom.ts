/** Elements of the page: how they are found and made. */

/** The element of the page called `id`. @throws Error if there is none */
export function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} called ${id}`);
  return found;
}

/** A new element with a class and, as text, `words`. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, words = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = words;
  return made;
}

const news = element("news", HTMLParagraphElement);

/** Tells `words` to screen readers, unless they were the last ones told. */
export function announce(words: string): void {
  if (news.textContent !== words) news.textContent = words;
}
