//! The dimensions of `daily`: what its figures are added up by.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimension {
    pub(crate) name: &'static str,
    /// Value and detail as SQL expressions over a visit; `None` for a dimension of events.
    pub(super) visit: Option<(&'static str, &'static str)>,
}

/// In the order in which closing of days computes them. Their SQL is part of the queries in `sql/schema/0006_daily.sql`.
pub(super) const DIMENSIONS: &[Dimension] = &[
    of_visits("total", "''", "''"),
    of_visits("entry", "toString(entry_path)", "toString(entry_host)"),
    of_visits("exit", "toString(exit_path)", "toString(exit_host)"),
    of_visits("source", "toString(source)", "''"),
    of_visits("channel", "toString(channel)", "''"),
    of_visits("referrer", "toString(referrer_host)", "''"),
    of_visits(
        "campaign",
        "toString(utm_campaign)",
        "if(utm_source = '' AND utm_medium = '', '', concat(utm_source, ' / ', utm_medium))",
    ),
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
    of_events("page"),
    of_events("missing"),
    of_events("event"),
    of_events("outbound"),
    of_events("download"),
    of_events("resource"),
    of_events("ad_impression"),
    of_events("ad_viewable"),
    of_events("ad_click"),
];

const fn of_visits(name: &'static str, value: &'static str, detail: &'static str) -> Dimension {
    Dimension { name, visit: Some((value, detail)) }
}

const fn of_events(name: &'static str) -> Dimension {
    Dimension { name, visit: None }
}

impl Dimension {
    /// The tuple of a dimension of visits: its name, value and detail.
    pub(super) fn tuple(&self) -> Option<String> {
        self.visit.map(|(value, detail)| format!("('{}', {value}, {detail})", self.name))
    }
}

/// The dimension of a name.
pub(crate) fn dimension(name: &str) -> Option<Dimension> {
    DIMENSIONS.iter().find(|dimension| dimension.name == name).copied()
}
