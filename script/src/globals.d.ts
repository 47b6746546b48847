// What browsers offer beyond TypeScript's own description of them. Nothing here reaches the bundle.

interface Navigator {
  readonly globalPrivacyControl?: boolean;
  readonly doNotTrack: string | null;
  readonly userAgentData?: { getHighEntropyValues(names: string[]): Promise<object> };
}

interface Document {
  readonly prerendering?: boolean;
}

interface PerformanceObserverInit {
  durationThreshold?: number;
}

interface PerformanceNavigationTiming {
  readonly activationStart?: number;
  readonly responseStatus: number;
}

interface Window {
  readonly LayoutShift?: 0;
  footfall?: Footfall;
}

/** What a page may call. Before the script has come, a stub of the page's own keeps calls in `q`. */
interface Footfall {
  (name: string, props?: Record<string, string | number | boolean>): void;
  q?: ArrayLike<unknown>[];
  optOut?(): void;
  optIn?(): void;
  consent?(): void;
}
