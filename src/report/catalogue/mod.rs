//! The catalogue: every file of `sql/report/`, embedded and parsed. A report is its file, and everything else is derived from it. A file
//! without a query is a breakdown of one dimension by `sql/breakdown.sql`.
//!
//! To add a report, write its file (`header` describes the comment at its top), add its figures to
//! `tests/it/report/figures.rs`, and run `UPDATE_DOCS=1 cargo test --lib document` for `docs/reports.md`.

#[cfg(test)]
mod docs;
mod files;
mod header;
mod report;

use std::sync::LazyLock;

use super::nearest::nearest;
use files::FILES;
pub(in crate::report) use report::{BY_DIMENSION, GOALS, STEPS};
pub use report::{CREDIT, Purpose, Report, ReportColumn, ReportParameter};

static ALL: LazyLock<Vec<Report>> = LazyLock::new(|| {
    let parsed = FILES.iter().map(|(name, sql)| {
        header::parse(name, sql).map_err(|reason| format!("sql/report/{name}.sql: {reason}"))
    });
    // The files are part of the program, and a test parses each.
    let mut reports: Vec<Report> =
        parsed.collect::<Result<_, _>>().expect("the embedded reports have complete headers");
    reports.sort_by_key(|report| report.order);
    reports
});

/// In the order in which they are listed.
pub fn all() -> &'static [Report] {
    &ALL
}

pub fn find(name: &str) -> Option<&'static Report> {
    ALL.iter().find(|report| report.name == name)
}

/// The name of a report that `name` is probably a misspelling of.
pub fn nearest_name(name: &str) -> Option<&'static str> {
    nearest(name, ALL.iter().map(|report| report.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_has_a_complete_header() {
        for (name, sql) in FILES {
            let report = header::parse(name, sql).unwrap_or_else(|reason| panic!("{name}.sql: {reason}"));
            assert!(report.about.len() > 20, "{name} says what it shows");
            assert!(!report.columns.is_empty(), "{name} names its columns");
            assert!(report.takes("site"), "{name} is about one site");
            assert_eq!(report.takes("by"), !report.by.is_empty(), "{name} says what `by` may be");
        }
        let orders: BTreeSet<u32> = all().iter().map(|report| report.order).collect();
        assert_eq!(orders.len(), all().len(), "two reports have the same place in the list");
    }

    #[test]
    fn audience_reports_fold_rows_of_few_visitors_unless_they_show_totals() {
        for report in all().iter().filter(|report| report.purpose == Purpose::Audience) {
            assert_ne!(report.is_totals, report.takes("k"), "{} must fold or be totals", report.name);
        }
    }

    #[test]
    fn a_header_names_the_dimensions_that_its_query_reads() {
        for report in all().iter().filter(|report| !report.is_breakdown) {
            let declared: Vec<&str> = report.dimensions.iter().map(|dimension| dimension.name).collect();
            for dimension in &declared {
                assert!(report.sql.contains(&format!("'{dimension}'")), "{} lacks {dimension}", report.name);
            }
            let one = report.sql.split("dimension = '").skip(1).filter_map(|rest| rest.split('\'').next());
            for dimension in one {
                assert!(declared.contains(&dimension), "{}: dimension: {dimension}", report.name);
            }
            assert_eq!(report.sql.contains("FROM daily"), !report.dimensions.is_empty(), "{}", report.name);
        }
    }

    #[test]
    fn a_report_without_a_query_shows_columns_that_the_breakdown_has() {
        for report in all().iter().filter(|report| report.is_breakdown) {
            for column in &report.columns {
                let shown = report.breakdown_column(column);
                assert!(report.sql.contains(&format!(" AS {shown}")), "{}: {shown}", report.name);
            }
            assert!(report.columns.iter().filter(|column| column.unit == "text").count() <= 2);
        }
    }

    #[test]
    fn reports_of_places_credit_their_source() {
        for report in all() {
            let shows = report
                .columns
                .iter()
                .any(|column| ["country", "region", "city", "network", "asn"].contains(&column.name));
            assert!(!shows || report.places, "{} shows places", report.name);
        }
    }

    #[test]
    fn a_misspelt_name_finds_the_report_that_was_meant() {
        assert_eq!(nearest_name("browser"), Some("browsers"));
        assert_eq!(nearest_name("overveiw"), Some("overview"));
        assert_eq!(nearest_name("Pages"), Some("pages"));
        assert_eq!(nearest_name("xyzzy-plugh"), None);
    }
}
