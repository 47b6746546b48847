// Follows links and forms without loading the whole page again. Each view has its address, so back, forward and bookmarks work.

import { fetchDocument, imported, say } from "./document";

/** What to do when other content is in place. */
const listeners: (() => void)[] = [];

export function whenReplaced(listener: () => void): void {
  listeners.push(listener);
  listener();
}

/** Whether a link leads to a page that can be put in place of this one. */
export function isPage(link: HTMLAnchorElement): boolean {
  const isHere = link.origin === location.origin && !link.hash;
  return isHere && !link.download && !link.target && (link.pathname.endsWith("/") || link.pathname.includes("/sites/"));
}

/** Shows the page at an address. `push` makes it an entry of the history. */
export async function navigate(href: string, push = true): Promise<void> {
  let isShown = false;
  const show = (page: Document): void => {
    const isSameView = new URL(href, location.href).pathname === location.pathname;
    if (!isShown && push && href !== location.href) history.pushState({}, "", href);
    if (isShown) return extend(page);
    isShown = true;
    replace(page);
    if (!isSameView) scrollTo(0, 0);
  };
  const page = await fetchDocument(href, false, show);
  if (page) show(page);
}

/** Puts another document in place of this one. The focus stays where it was, if there is the same link or field again. */
export function replace(page: Document): void {
  const [old, next] = [document.getElementById("page"), page.getElementById("page")];
  if (!old || !next) return;
  const focused = place(document.activeElement);
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  old.replaceChildren(...imported(next));
  replaceKeys(page);
  const found = focused && document.querySelector<HTMLElement>(focused);
  (found || document.getElementById("main"))?.focus({ preventScroll: true });
  say(document.title);
  for (const listener of listeners) listener();
}

/** Adds what a later part of a page brings below what is shown, where a menu may be open by now. */
function extend(page: Document): void {
  for (const selector of ["#main", "#main > .cards"]) {
    const [old, next] = [document.querySelector(selector), page.querySelector(selector)];
    const added = next && old ? [...next.children].slice(old.children.length) : [];
    old?.append(...added.map((element) => document.importNode(element, true)));
  }
  replaceKeys(page);
}

/** The words of the list of keys, which are the last of a page. */
function replaceKeys(page: Document): void {
  const [old, next] = [document.getElementById("keys"), page.getElementById("keys")];
  if (old && next) old.replaceChildren(...imported(next));
}

/** A selector by which an element is found again in another document of the same view. */
function place(element: Element | null): string | undefined {
  if (!element || element === document.body || element.id === "main") return undefined;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const key = element.getAttribute("data-key");
  if (key) return `[data-key="${CSS.escape(key)}"]`;
  const name = element.getAttribute("name");
  if (name) return `#main [name="${CSS.escape(name)}"]`;
  const home = element.closest("[id]");
  const siblings = home ? [...home.querySelectorAll(element.localName)] : [];
  return home && home.id !== "page" ? `#${CSS.escape(home.id)} :nth-child(${siblings.indexOf(element) + 1} of ${element.localName})` : undefined;
}

/** The address that a form of the method GET leads to. */
export function target(form: HTMLFormElement): string {
  const url = new URL(form.action);
  const pairs = [...new FormData(form)].filter((pair): pair is [string, string] => typeof pair[1] === "string");
  url.search = new URLSearchParams(pairs.filter(([name, value]) => value !== "" || name === "value")).toString();
  return url.href;
}
