// Browser interfaces that TypeScript's own types lack, and the script's interface to the page. Types only.

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

/** The function that a page may call. Until the script loads, a stub in the page collects calls in `q`. */
interface Footfall {
  (name: string, props?: Record<string, string | number | boolean>): void;
  q?: ArrayLike<unknown>[];
  optOut?(): void;
  optIn?(): void;
  consent?(isGiven?: boolean): void;
}
