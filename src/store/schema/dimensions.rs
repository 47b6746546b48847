//! The dimensions of `daily`: what its figures are added up by.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimension {
    pub(crate) name: &'static str,
    pub(super) source: DimensionSource,
}

/// What a dimension's figures are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimensionSource {
    /// Value and detail are SQL expressions over a visit.
    Visits {
        value: &'static str,
        detail: &'static str,
    },
    Events,
    Ads,
    Hours,
    Scroll,
}

/// In the order of the table in `sql/schema/0006_daily.sql`. Their SQL is part of `sql/daily.sql`.
pub(super) const DIMENSIONS: &[Dimension] = &[
    of_visits("total", "''", "''"),
    of_visits("entry", "toString(entry_path)", "toString(entry_host)"),
    of_visits("exit", "toString(exit_path)", "toString(exit_host)"),
    of_visits("source", "toString(source)", "''"),
    of_visits("channel", "toString(channel)", "''"),
    of_visits("referrer", "toString(referrer_host)", "toString(referrer_path)"),
    of_visits(
        "campaign",
        "toString(utm_campaign)",
        "if(utm_source = '' AND utm_medium = '', '', concat(utm_source, ' / ', utm_medium))",
    ),
    of_visits("utm_source", "toString(utm_source)", "''"),
    of_visits("utm_medium", "toString(utm_medium)", "''"),
    of_visits("utm_content", "toString(utm_content)", "''"),
    of_visits("utm_term", "toString(utm_term)", "''"),
    of_visits("country", "toString(country)", "''"),
    of_visits("region", "toString(country)", "toString(region)"),
    of_visits("city", "toString(country)", "toString(city)"),
    of_visits("network", "toString(network)", "toString(asn)"),
    of_visits("browser", "toString(browser)", "''"),
    of_visits("browser_version", "toString(browser)", "toString(browser_version)"),
    of_visits("os", "toString(os)", "''"),
    of_visits("os_version", "toString(os)", "toString(os_version)"),
    of_visits("device", "toString(device)", "''"),
    of_visits("language", "toString(language)", "''"),
    of_visits("screen", "toString(screen)", "''"),
    Dimension { name: "page", source: DimensionSource::Events },
    Dimension { name: "missing", source: DimensionSource::Events },
    Dimension { name: "event", source: DimensionSource::Events },
    Dimension { name: "outbound", source: DimensionSource::Events },
    Dimension { name: "download", source: DimensionSource::Events },
    Dimension { name: "resource", source: DimensionSource::Events },
    Dimension { name: "ad", source: DimensionSource::Ads },
    Dimension { name: "ad_impression", source: DimensionSource::Ads },
    Dimension { name: "ad_viewable", source: DimensionSource::Ads },
    Dimension { name: "ad_click", source: DimensionSource::Ads },
    Dimension { name: "hour", source: DimensionSource::Hours },
    Dimension { name: "hour_event", source: DimensionSource::Hours },
    Dimension { name: "scroll", source: DimensionSource::Scroll },
    Dimension { name: "scroll_depth", source: DimensionSource::Scroll },
    Dimension { name: "scroll_25", source: DimensionSource::Scroll },
    Dimension { name: "scroll_50", source: DimensionSource::Scroll },
    Dimension { name: "scroll_75", source: DimensionSource::Scroll },
    Dimension { name: "scroll_100", source: DimensionSource::Scroll },
];

const fn of_visits(name: &'static str, value: &'static str, detail: &'static str) -> Dimension {
    Dimension { name, source: DimensionSource::Visits { value, detail } }
}

impl Dimension {
    pub(super) fn is_of_visits(&self) -> bool {
        matches!(self.source, DimensionSource::Visits { .. })
    }

    /// The value and the detail of a visit in SQL, if it is a dimension of visits.
    pub(crate) fn of_a_visit(&self) -> Option<(&'static str, &'static str)> {
        match self.source {
            DimensionSource::Visits { value, detail } => Some((value, detail)),
            _ => None,
        }
    }

    /// The tuple of a dimension of visits: its name, value and detail.
    pub(super) fn tuple(&self) -> Option<String> {
        self.of_a_visit().map(|(value, detail)| format!("('{}', {value}, {detail})", self.name))
    }
}

/// Dimensions of visits by whose values viewers may filter. Their order is that of the labels of a visit in `sql/published.sql`. Each pair of them
/// is a table of the day for each value, so they are few, and none is as fine as a city.
pub(crate) const VISIT_FILTERS: &[&str] = &["source", "channel", "campaign", "country", "browser", "device"];
/// Dimensions of events by whose values viewers may filter.
pub(crate) const EVENT_FILTERS: &[&str] = &["page", "event"];
/// Dimensions that are not published: those of diagnostics; referring pages, most of which few visitors come from; and fields of campaigns. The
/// visitors of such a field are nearly those of a campaign. A second draw of noise for the same visitors would tell more of them. So would one for
/// those who left a page, and hours are finer than a day.
const UNPUBLISHED: &[&str] = &[
    "referrer",
    "utm_source",
    "utm_medium",
    "utm_content",
    "utm_term",
    "missing",
    "resource",
    "hour",
    "hour_event",
    "scroll",
    "scroll_depth",
    "scroll_25",
    "scroll_50",
    "scroll_75",
    "scroll_100",
];

/// The dimensions whose figures are published.
pub(super) fn published_dimensions() -> impl Iterator<Item = &'static Dimension> {
    DIMENSIONS.iter().filter(|dimension| is_published(dimension.name))
}

pub(crate) fn is_published(dimension: &str) -> bool {
    !UNPUBLISHED.contains(&dimension)
}

/// The names of the dimensions of visits, in order.
#[cfg(test)]
pub(crate) fn dimensions_of_visits() -> impl Iterator<Item = &'static str> {
    DIMENSIONS.iter().filter(|dimension| dimension.is_of_visits()).map(|dimension| dimension.name)
}

/// The dimension of a name.
pub(crate) fn dimension(name: &str) -> Option<Dimension> {
    DIMENSIONS.iter().find(|dimension| dimension.name == name).copied()
}
