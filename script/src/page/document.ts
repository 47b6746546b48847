// Fetches pages of the collector and puts their parts into this document.

type HtmlPolicy = { createHTML(text: string): string };
declare global {
  interface Window {
    trustedTypes?: { createPolicy(name: string, rules: HtmlPolicy): HtmlPolicy };
  }
}

// The only HTML that it takes is that of the collector's own pages, which escape what visitors sent.
const rules: HtmlPolicy = { createHTML: (text) => text };
const policy = window.trustedTypes ? window.trustedTypes.createPolicy("footfall", rules) : rules;

let running: AbortController | undefined;

/** What the collector sends after each part of a page but the last (src/operator/page/site/rest.rs). */
const PART = "<!--part-->";

/**
 * The document at an address; `undefined` if another one was asked for in the meantime. What is no page is opened as the browser does.
 * `onPart` gets the document so far after each part but the last.
 */
export async function fetchDocument(href: string, quiet = false, onPart?: (page: Document) => void): Promise<Document | undefined> {
  running?.abort();
  const mine = (running = new AbortController());
  const place = document.getElementById("page");
  if (!quiet) place?.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(href, { headers: { accept: "text/html" }, signal: mine.signal });
    const isPage = response.headers.get("content-type")?.startsWith("text/html");
    if (!isPage || response.status === 401 || response.redirected) {
      location.assign(href);
      return undefined;
    }
    return parsed(await textOf(response, onPart));
  } catch (error) {
    if (!mine.signal.aborted && !quiet) say(word("failed"));
    return undefined;
  } finally {
    if (running === mine) place?.removeAttribute("aria-busy");
  }
}

async function textOf(response: Response, onPart?: (page: Document) => void): Promise<string> {
  if (!onPart || !response.body) return response.text();
  const [reader, decoder] = [response.body.getReader(), new TextDecoder()];
  let [text, shown] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
    const end = text.lastIndexOf(PART);
    if (end > shown) onPart(parsed(text.slice(0, (shown = end))));
  }
}

/** A document of the collector's own HTML. */
export function parsed(text: string): Document {
  return new DOMParser().parseFromString(policy.createHTML(text), "text/html");
}

/** Copies the children of an element of another document. */
export function imported(from: Element): Node[] {
  return [...from.childNodes].map((node) => document.importNode(node, true));
}

/** Tells those who do not see the page what happened. */
export function say(text: string): void {
  const status = document.getElementById("status");
  if (status) status.textContent = text;
}

/** A word of the page's language, which the page brings along. */
export function word(name: string): string {
  const words = document.querySelector<HTMLTemplateElement>("#key-words");
  return words?.content.querySelector(`[data-word="${name}"]`)?.textContent ?? "";
}
