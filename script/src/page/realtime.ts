// Keeps the realtime view up to date from a stream of server-sent events. Without this script the page is loaded again now and then.

import { imported, parsed } from "./document";

let source: EventSource | undefined;

/** Follows the stream of the page in place, if it has one and somebody sees it. */
export function listen(): void {
  source?.close();
  source = undefined;
  const place = document.querySelector<HTMLElement>("[data-events]");
  const address = place?.dataset["events"];
  if (!place || !address || document.hidden) return;
  // A stream ends after some minutes, and the browser opens the next one by itself.
  source = new EventSource(address);
  source.addEventListener("figures", (event: MessageEvent<string>) => {
    const isOpen = place.querySelector("details")?.open ?? false;
    place.replaceChildren(...imported(parsed(event.data).body));
    const details = place.querySelector("details");
    if (details) details.open = isOpen;
  });
}

addEventListener("visibilitychange", listen);
