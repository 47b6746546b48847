// Shows a report in detail over the page. It has the address of the report, so it can be bookmarked and sent, and back closes it.

import { fetchDocument, imported } from "./document";
import { navigate } from "./navigation";

let dialog: HTMLDialogElement | undefined;
/** Set while the dialog has an entry of the history of its own. */
let isEntry = false;
/** The next change of the history is this script's own. */
let isOwnStep = false;

function create(): HTMLDialogElement {
  const made = document.createElement("dialog");
  made.className = "dialog";
  made.id = "detail";
  made.addEventListener("close", () => {
    if (!isEntry) return;
    isEntry = false;
    isOwnStep = true;
    history.back();
  });
  // A click beside the dialog closes it.
  made.addEventListener("click", (event) => event.target === made && made.close());
  document.body.append(made);
  return made;
}

export function isOpen(): boolean {
  return dialog?.open === true;
}

/** Shows the report at an address. */
export async function open(href: string): Promise<void> {
  const page = await fetchDocument(href);
  const section = page?.querySelector(".detail");
  if (!page) return;
  if (!section) return leave(href);
  dialog ??= create();
  const name = document.activeElement?.getAttribute("name");
  if (isEntry) history.replaceState({}, "", href);
  else history.pushState({}, "", href);
  isEntry = true;
  dialog.setAttribute("aria-labelledby", "detail-title");
  const shown = document.createElement("div");
  shown.className = "detail";
  shown.replaceChildren(...imported(section));
  dialog.replaceChildren(shown);
  if (!dialog.open) dialog.showModal();
  if (name) dialog.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"]`)?.focus();
}

/** Closes the dialog and goes to another page. */
export function leave(href: string): Promise<void> {
  isEntry = false;
  dialog?.close();
  return navigate(href);
}

export function close(): void {
  dialog?.close();
}

/** Whether a step of the history is done with: the dialog was closed by it, or it was the dialog's own. */
export function takesStep(): boolean {
  if (isOwnStep) {
    isOwnStep = false;
    return true;
  }
  if (!isOpen()) return false;
  isEntry = false;
  dialog?.close();
  return true;
}
