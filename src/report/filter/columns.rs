//! The columns that can be filtered on, derived from the row and `sql/schema`: what each holds, and in which tables it can be filtered.

use std::sync::LazyLock;

use crate::event;
use crate::store::schema;

#[derive(Debug, PartialEq)]
pub(super) struct FilterColumn {
    pub(super) name: String,
    pub(super) kind: FilterType,
    pub(super) scope: FilterScope,
}

/// What a column holds, as far as it matters for conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilterType {
    Text,
    Number,
    /// `Float32`. A value of 0.1 must be compared as the column has it.
    Score,
    /// 64 bits, which reports show as 16 hexadecimal digits.
    Id,
    Flag,
    /// One of these words; `Enum8` in ClickHouse.
    Word(Vec<String>),
    Moment,
    Day,
    Map,
}

/// The tables in which a condition on the column keeps what is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum FilterScope {
    /// Only `events`: the column differs between the events of a visit.
    Events,
    /// Only `visits`: the column describes the visit, and in `events` it would describe one event.
    Visits,
    /// Both: all events of a visit have the same value.
    Both,
}

/// Columns of `visits` that no event has and that can be filtered on.
const ONLY_IN_VISITS: [&str; 4] = ["entry_host", "entry_path", "exit_host", "exit_path"];

/// Every column of an event except the site, which each request names, then the columns that only visits have.
pub(super) static COLUMNS: LazyLock<Vec<FilterColumn>> = LazyLock::new(|| {
    let visits = schema::view("visits_between");
    let of_events = event::column_definitions().filter(|(name, _)| *name != "site");
    let of_events = of_events.map(|(name, sql_type)| FilterColumn {
        name: name.to_owned(),
        kind: filter_type(&sql_type),
        scope: scope(name, &visits),
    });
    let of_visits = ONLY_IN_VISITS.map(|name| FilterColumn {
        name: name.to_owned(),
        kind: FilterType::Text,
        scope: FilterScope::Visits,
    });
    of_events.chain(of_visits).collect()
});

fn filter_type(data_type: &str) -> FilterType {
    if let Some(words) = data_type.strip_prefix("Enum8(") {
        let words = words.split('\'').skip(1).step_by(2);
        return FilterType::Word(words.map(str::to_owned).collect());
    }
    match data_type {
        "Bool" => FilterType::Flag,
        "Date" => FilterType::Day,
        "UInt64" => FilterType::Id,
        "String" | "LowCardinality(String)" => FilterType::Text,
        other if other.starts_with("DateTime") => FilterType::Moment,
        other if other.starts_with("Map(") => FilterType::Map,
        "Nullable(Float32)" => FilterType::Score,
        _ => FilterType::Number,
    }
}

/// The scope of a column of `events`, given the query that computes visits.
fn scope(name: &str, visits: &str) -> FilterScope {
    let is_unchanged = [
        format!(" event.{name} AS {name},"),
        format!("(event.{name}) AS {name}"),
        format!("(event.{name}, is_first) AS {name}"),
    ];
    if is_acquisition(name) {
        FilterScope::Visits
    } else if is_unchanged.iter().any(|expression| visits.contains(expression)) {
        FilterScope::Both
    } else {
        FilterScope::Events
    }
}

/// Whether the column says where a visit came from. That of an event says which page was before it.
fn is_acquisition(name: &str) -> bool {
    name.starts_with("referrer_")
        || name.starts_with("utm_")
        || matches!(name, "source" | "channel" | "click_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> &'static FilterColumn {
        COLUMNS.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("no column {name}"))
    }

    #[test]
    fn every_column_of_an_event_can_be_filtered_on_except_the_site() {
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name.as_str()).collect();
        let rows = event::COLUMNS.iter().copied().filter(|name| *name != "site");
        assert_eq!(names, rows.chain(ONLY_IN_VISITS).collect::<Vec<_>>());
    }

    #[test]
    fn a_column_is_filtered_where_it_means_what_it_says() {
        for name in
            ["path", "host", "kind", "ad", "engaged_ms", "error_group", "received", "page_load", "seq"]
        {
            assert_eq!(column(name).scope, FilterScope::Events, "{name}");
        }
        for name in ["source", "utm_campaign", "referrer_host", "click_id", "entry_path"] {
            assert_eq!(column(name).scope, FilterScope::Visits, "{name}");
        }
        for name in
            ["visitor", "epoch", "policy", "expires", "browser", "bot_category", "asn", "cookies_enabled"]
        {
            assert_eq!(column(name).scope, FilterScope::Both, "{name}");
        }
    }

    #[test]
    fn the_type_of_a_column_is_that_of_the_schema() {
        for (name, kind) in [
            ("time", FilterType::Moment),
            ("expires", FilterType::Day),
            ("visitor", FilterType::Id),
            ("cls", FilterType::Score),
            ("asn", FilterType::Number),
            ("props", FilterType::Map),
            ("spoofed", FilterType::Flag),
            ("error_message", FilterType::Text),
        ] {
            assert_eq!(column(name).kind, kind, "{name}");
        }
        assert!(
            matches!(&column("screen").kind, FilterType::Word(classes) if classes.contains(&"under 600".to_owned()))
        );
        let device =
            FilterType::Word(["other", "desktop", "mobile", "tablet", "bot"].map(str::to_owned).into());
        assert_eq!(column("device").kind, device);
    }
}
