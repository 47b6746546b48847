//! The queries of `sql/published.sql`, filled in.

use super::columns::{DIMENSIONS_AT_ONCE, daily_rows};
use super::dimensions::{Dimension, EVENT_FILTERS, VISIT_FILTERS, dimension, published_dimensions};
use crate::store::sql;

/// Most values of a dimension by which viewers may filter on a day: the largest. It bounds the tables of a day.
const FILTER_VALUES: usize = 30;
/// The noise key, in two parts.
const KEY: &str = "({noise_low:UInt64}, {noise_high:UInt64})";
/// One visitor's contribution to a cell, in the order of `figures`.
const FIGURES: &str = "arrayMap(figure -> toInt64(figure), [sum(row.visits), sum(row.bounces), sum(row.views), sum(row.events), \
                       sum(row.duration_s), sum(row.engaged_ms)])";

/// Queries for the published figures of a day, in the columns of `daily_published_stored` without generation. Each follows
/// `WITH visits AS (…), events AS (…), exact AS (…),` and takes the parameters `noise_low`, `noise_high`, `day` and `timezone`.
pub(crate) struct PublishedQueries {
    shown: String,
    labelled_visits: String,
    labels: String,
    one_value: String,
    two_of_visits: String,
    events_and_visits: String,
    figures: String,
    k: u32,
    is_cluster: bool,
}

impl PublishedQueries {
    /// `k`: the least number of visitors of a cell.
    pub(crate) fn new(k: u32, is_cluster: bool) -> Self {
        let statements = sql::statements(include_str!("../../../sql/published.sql"));
        let statements: [_; 7] =
            statements.try_into().unwrap_or_else(|_| panic!("sql/published.sql has seven statements"));
        let [shown, one_value, labelled_visits, labels, two_of_visits, events_and_visits, figures] =
            statements.map(|statement| statement.text);
        Self {
            shown,
            labelled_visits,
            labels,
            one_value,
            two_of_visits,
            events_and_visits,
            figures,
            k,
            is_cluster,
        }
    }

    /// All tables of a closed day. `is_large`: in many queries, each of which needs bounded memory.
    pub(crate) fn of_day(&self, is_large: bool) -> Vec<String> {
        let dimensions: Vec<Dimension> = published_dimensions().copied().collect();
        let at_once = if is_large { DIMENSIONS_AT_ONCE } else { dimensions.len() };
        let mut queries: Vec<String> =
            dimensions.chunks(at_once).map(|dimensions| self.one_value(dimensions)).collect();
        let events: Vec<Dimension> = EVENT_FILTERS.iter().filter_map(|name| dimension(name)).collect();
        let parts = |last: usize| if is_large { 1..=last } else { 0..=0 };
        for part in parts(VISIT_FILTERS.len()) {
            queries.push(self.query(&with_part(&self.two_of_visits, part)));
        }
        // The last part is the total.
        for part in parts(VISIT_FILTERS.len() + 1) {
            let cells = with_part(&self.events_and_visits, part).replace("{rows}", &daily_rows(&events));
            queries.push(self.query(&cells));
        }
        queries
    }

    /// The totals alone.
    pub(crate) fn totals(&self) -> String {
        self.one_value(&[dimension("total").expect("there are totals")])
    }

    fn one_value(&self, dimensions: &[Dimension]) -> String {
        self.query(&self.one_value.replace("{rows}", &daily_rows(dimensions)))
    }

    fn query(&self, cells: &str) -> String {
        let query = format!(
            "shown AS (\n{}\n),\nlabelled_visits AS (\n{}\n),\nlabels AS (\n{}\n)\n{}",
            self.shown, self.labelled_visits, self.labels, self.figures
        );
        self.fill(&query.replace("{cells}", cells))
    }

    fn fill(&self, text: &str) -> String {
        let filters: Vec<&str> = VISIT_FILTERS.iter().chain(EVENT_FILTERS).copied().collect();
        let published: Vec<&str> = published_dimensions().map(|dimension| dimension.name).collect();
        let of_events = published_dimensions().filter(|dimension| !dimension.is_of_visits());
        let of_events: Vec<&str> = of_events.map(|dimension| dimension.name).collect();
        let tuples = VISIT_FILTERS.iter().filter_map(|name| dimension(name)?.tuple());
        // Two lists that belong together, so both are in the order of the labels.
        let known = |label: &str| {
            format!(
                "(SELECT arrayPushBack(groupArray({label}), 0) FROM (SELECT label, place FROM shown WHERE dimension IN ({}) ORDER BY label))",
                strings(&filters)
            )
        };
        let known_labels =
            format!("{}, {}", known("label"), known(&format!("if(place <= {FILTER_VALUES}, label, 0)")));
        [
            ("{key}", KEY.to_owned()),
            ("{k}", self.k.to_string()),
            ("{in}", if self.is_cluster { "GLOBAL IN" } else { "IN" }.to_owned()),
            ("{published}", strings(&published)),
            ("{of_events}", strings(&of_events)),
            ("{filters}", strings(&filters)),
            ("{visit_filters}", strings(VISIT_FILTERS)),
            ("{visit_filter_pairs}", tuples.collect::<Vec<_>>().join(",\n        ")),
            ("{filter_values}", FILTER_VALUES.to_string()),
            ("{figures}", FIGURES.to_owned()),
            ("{known_labels}", known_labels),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, &value))
    }
}

fn with_part(cells: &str, part: usize) -> String {
    cells.replace("{part}", &part.to_string())
}

fn strings(names: &[&str]) -> String {
    names.iter().map(|name| sql::string(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_in_and_every_filter_is_a_published_dimension() {
        let queries = PublishedQueries::new(5, false);
        for query in queries.of_day(false).into_iter().chain(queries.of_day(true)).chain([queries.totals()]) {
            let mut rest = &*query;
            while let Some((_, after)) = rest.split_once('{') {
                let (placeholder, after) = after.split_once('}').expect("a brace is closed");
                assert!(placeholder.contains(':'), "{placeholder}");
                rest = after;
            }
        }
        for filter in VISIT_FILTERS.iter().chain(EVENT_FILTERS) {
            assert!(published_dimensions().any(|dimension| dimension.name == *filter), "{filter}");
        }
    }
}
