// Keys: what carries `data-key` is followed by its key, and `?` lists them all.

import * as chart from "./chart";
import { word } from "./document";

const FIELDS = "input, select, textarea";

/** Keys beside the letters, by their place. */
const BY_PLACE: Record<string, string> = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: "." };

/** What a key means: its character, or its place if it writes none of ASCII, as on a Russian keyboard. */
function letter(event: KeyboardEvent): string {
  if (/^[\x20-\x7e]$/.test(event.key)) return event.key;
  return BY_PLACE[event.code] ?? /^Key([A-Z])$/.exec(event.code)?.[1]?.toLowerCase() ?? event.key;
}

function top(): ParentNode {
  return document.querySelector("dialog[open]") ?? document;
}

function listKeys(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#keys");
  const list = dialog?.querySelector("dl");
  if (!dialog || !list) return;
  const carriers = [...document.querySelectorAll<HTMLElement>("[data-key]")];
  const named = carriers.map((carrier) => [carrier.dataset["key"]!, carrier.getAttribute("aria-label") ?? carrier.textContent ?? ""]);
  const others = [["/", word("search")], ["← ↑ → ↓", word("rows")], ["Esc", word("close")], ["?", word("help")]];
  const items = [...named, ...others].flatMap(([key, text]) => {
    const [term, what, shown] = [document.createElement("dt"), document.createElement("dd"), document.createElement("kbd")];
    shown.textContent = key!;
    term.append(shown);
    what.textContent = text!.trim();
    return [term, what];
  });
  list.replaceChildren(...items);
  dialog.showModal();
}

function search(): boolean {
  const field = top().querySelector<HTMLInputElement>("input[type=search]");
  const filter = document.querySelector<HTMLElement>("summary.add");
  if (field) field.focus();
  else filter?.click();
  return Boolean(field || filter);
}

/** Moves between the links of a table's rows. */
function moveInTable(from: Element, key: string): boolean {
  const links = [...(from.closest("table")?.querySelectorAll<HTMLElement>("tbody a") ?? [])];
  const at = links.indexOf(from as HTMLElement);
  const next = links[at + (key === "ArrowDown" ? 1 : -1)];
  if (at < 0 || !next) return false;
  next.focus();
  return true;
}

export function closeMenus(except?: Element | null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (!except || !menu.contains(except)) menu.open = false;
  }
}

function escape(): void {
  const menu = document.activeElement?.closest<HTMLDetailsElement>("details.menu[open]");
  closeMenus();
  menu?.querySelector("summary")?.focus();
  chart.hide();
  document.querySelector(".help:hover, .help:focus-within")?.classList.add("closed");
}

export function press(event: KeyboardEvent): void {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.key === "Escape") return escape();
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest(FIELDS)) return;
  const key = letter(event);
  if (key.startsWith("Arrow") || key === "Home" || key === "End") {
    const plot = target.closest<HTMLElement>(".plot");
    if (plot ? chart.step(plot, key) : moveInTable(target, key)) event.preventDefault();
    return;
  }
  const carrier = key.length === 1 ? top().querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) : null;
  if (key === "?") listKeys();
  else if (key === "/" && search()) event.preventDefault();
  else if (carrier) {
    event.preventDefault();
    carrier.click();
    const menu = carrier.parentElement;
    if (carrier.localName === "summary") menu?.querySelector<HTMLElement>(`a, ${FIELDS}:not([type=hidden])`)?.focus();
  }
}
