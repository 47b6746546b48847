// The page of reports works without this script; with it, it feels immediate.

import * as chart from "./chart";
import * as dialog from "./dialog";
import { fetchDocument } from "./document";
import { closeMenus, press } from "./keys";
import * as realtime from "./realtime";
import { isPage, navigate, replace, target, whenReplaced } from "./navigation";

function follow(event: MouseEvent): void {
  const clicked = event.target instanceof Element ? event.target : undefined;
  closeMenus(clicked);
  const link = clicked?.closest<HTMLAnchorElement | SVGAElement>("a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link instanceof SVGAElement) {
    // A country of the map.
    event.preventDefault();
    return void navigate(new URL(link.href.baseVal, location.href).href);
  }
  if (!isPage(link)) return;
  event.preventDefault();
  const isReport = link.pathname.includes("/reports/");
  if (link.closest("dialog")) {
    if (link.classList.contains("back")) dialog.close();
    else if (isReport) void dialog.open(link.href);
    else void dialog.leave(link.href);
  } else if (link.hasAttribute("data-dialog")) void dialog.open(link.href);
  else void navigate(link.href);
}

function submit(event: SubmitEvent): void {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "get") return;
  event.preventDefault();
  void (form.closest("dialog") ? dialog.open(target(form)) : navigate(target(form)));
}

let timer = 0;

/** A page that waits for something asks again every few seconds while it is visible. */
function refresh(): void {
  clearInterval(timer);
  const seconds = Number(document.getElementById("main")?.dataset["refresh"]);
  if (!seconds) return;
  timer = window.setInterval(async () => {
    if (document.hidden || dialog.isOpen() || document.querySelector("details.menu[open]")) return;
    const page = await fetchDocument(location.href, true);
    if (page) replace(page);
  }, 1000 * seconds);
}

addEventListener("click", follow);
addEventListener("submit", submit);
addEventListener("keydown", press);
addEventListener("pointermove", chart.follow);
addEventListener("focusin", () => document.querySelector(".help.closed")?.classList.remove("closed"));
addEventListener("popstate", () => dialog.takesStep() || void navigate(location.href, false));
whenReplaced(refresh);
whenReplaced(realtime.listen);
