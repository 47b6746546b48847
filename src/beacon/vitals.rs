//! Web Vitals and navigation phases, from numbers or from the times of the browser's own performance entries.

/// Web Vitals and navigation phases; `None` where the browser measured nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WebVitals {
    /// Largest Contentful Paint.
    pub lcp_ms: Option<u32>,
    /// Interaction to Next Paint.
    pub inp_ms: Option<u32>,
    /// Cumulative Layout Shift.
    pub cls: Option<f32>,
    /// First Contentful Paint.
    pub fcp_ms: Option<u32>,
    /// Time to First Byte.
    pub ttfb_ms: Option<u32>,
    pub dns_ms: Option<u32>,
    pub connect_ms: Option<u32>,
    pub tls_ms: Option<u32>,
    /// To the end of the load event.
    pub load_ms: Option<u32>,
}

/// Times of `PerformanceNavigationTiming` in ms from the navigation's start, 0 when unknown.
pub(super) struct NavigationTimes {
    pub(super) activation_start: f64,
    pub(super) domain_lookup_start: f64,
    pub(super) domain_lookup_end: f64,
    pub(super) connect_start: f64,
    pub(super) secure_connection_start: f64,
    pub(super) connect_end: f64,
    pub(super) response_start: f64,
    pub(super) load_event_end: f64,
}

impl WebVitals {
    /// The times of a prerendered page count from the moment when it is shown (`activationStart`,
    /// <https://wicg.github.io/nav-speculation/prerendering.html>); earlier phases took no time.
    pub(super) fn add_navigation(&mut self, navigation: &NavigationTimes) {
        let shown = navigation.activation_start;
        let since_shown = |ms: u32| (f64::from(ms) - shown).round().max(0.0) as u32;
        self.lcp_ms = self.lcp_ms.map(since_shown);
        self.fcp_ms = self.fcp_ms.map(since_shown);
        // 0 means that the browser hides the time, or that it has not come.
        let time = |at: f64| (at > 0.0).then(|| (at - shown).round().max(0.0) as u32);
        let duration = |from: f64, to: f64| (from > 0.0 && to >= from).then(|| (to - from).round() as u32);
        let (connect, secure) = (navigation.connect_start, navigation.secure_connection_start);
        let connected = navigation.connect_end;
        self.ttfb_ms = time(navigation.response_start);
        self.load_ms = time(navigation.load_event_end);
        self.dns_ms = duration(navigation.domain_lookup_start, navigation.domain_lookup_end);
        self.connect_ms = duration(connect, if secure > 0.0 { secure } else { connected });
        self.tls_ms = if secure > 0.0 { duration(secure, connected) } else { self.connect_ms.map(|_| 0) };
    }
}

/// Cumulative Layout Shift of shifts that are given as time in ms, score, time, score, …
///
/// It is the highest sum of a session. A session ends with a pause of 1 s or after 5 s (<https://web.dev/articles/cls>).
pub(super) fn cumulative_layout_shift(shifts: &[f64]) -> f32 {
    let (mut worst, mut sum) = (0.0_f64, 0.0);
    let (mut opened, mut latest) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for shift in shifts.chunks_exact(2) {
        let (at, score) = (shift[0], shift[1].clamp(0.0, 1.0));
        if at - latest >= 1_000.0 || at - opened >= 5_000.0 {
            (sum, opened) = (0.0, at);
        }
        latest = at;
        sum += score;
        worst = worst.max(sum);
    }
    worst as f32
}
