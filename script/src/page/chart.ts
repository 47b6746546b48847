// The points of a chart under the pointer and the arrow keys. Without this script a point has the browser's own tooltip.

import { say } from "./document";

const texts = new WeakMap<Element, string>();
let tip: HTMLElement | undefined;

function text(point: Element): string {
  let known = texts.get(point);
  if (known === undefined) {
    const title = point.querySelector("title");
    known = title?.textContent ?? "";
    // The browser would show it a second time.
    title?.remove();
    texts.set(point, known);
  }
  return known;
}

function show(plot: HTMLElement, point: Element): void {
  tip ??= Object.assign(document.createElement("div"), { className: "tip" });
  tip.textContent = text(point);
  plot.querySelector(".chart-current")?.classList.remove("chart-current");
  point.classList.add("chart-current");
  if (tip.parentElement !== plot) plot.append(tip);
  const [frame, place] = [plot.getBoundingClientRect(), (point.querySelector("circle") ?? point).getBoundingClientRect()];
  const middle = place.left + place.width / 2 - frame.left;
  const room = tip.offsetWidth / 2;
  tip.style.left = `${Math.max(room, Math.min(frame.width - room, middle))}px`;
  tip.style.top = `${place.top - frame.top}px`;
}

export function hide(): void {
  tip?.parentElement?.querySelector(".chart-current")?.classList.remove("chart-current");
  tip?.remove();
}

export function follow(event: PointerEvent): void {
  const target = event.target instanceof Element ? event.target : undefined;
  const point = target?.closest(".chart-point");
  const plot = point?.closest<HTMLElement>(".plot");
  if (point && plot) show(plot, point);
  else if (tip?.isConnected && !target?.closest(".plot")) hide();
}

/** Moves to the next point; returns whether the key was one of the chart. */
export function step(plot: HTMLElement, key: string): boolean {
  const points = [...plot.querySelectorAll(".chart-point")];
  if (!points.length) return false;
  const current = points.findIndex((point) => point.classList.contains("chart-current"));
  const places: Record<string, number> = {
    ArrowLeft: Math.max(0, (current < 0 ? points.length : current) - 1),
    ArrowRight: Math.min(points.length - 1, current + 1),
    Home: 0,
    End: points.length - 1,
  };
  const place = places[key];
  const point = place === undefined ? undefined : points[place];
  if (!point) return false;
  show(plot, point);
  say(text(point));
  return true;
}
