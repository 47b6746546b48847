//! The record of who read exact figures, for the audit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::filter::Filter;
use super::request::ReportRequest;

/// The action in the audit.
pub(crate) const EXACT_READ: &str = "exact figures read";
/// The same request of the same reader is recorded once in this time: a page that is left open asks every few seconds.
const ONCE_IN: Duration = Duration::from_secs(600);
/// Most requests that are remembered. When there are more, all are forgotten, and some are recorded again.
const MOST_REMEMBERED: usize = 1_000;

type Record = Arc<dyn Fn(Value) + Send + Sync>;

/// Cheap to clone; all clones share what they remember.
#[derive(Clone)]
pub(super) struct UsageAudit {
    record: Record,
    recent: Arc<Mutex<HashMap<String, Instant>>>,
}

impl UsageAudit {
    /// `record` gets the detail of each entry, and must not block.
    pub(super) fn new(record: Record) -> Self {
        Self { record, recent: Arc::default() }
    }

    /// Records that `reader` asked for exact figures. Requests of one query differ in the report alone.
    pub(super) fn add(&self, reader: &str, requests: &[ReportRequest]) {
        if let Some(entry) = detail(reader, requests) {
            self.add_entry(entry);
        }
    }

    /// Records that `reader` asked for the summaries of these sites.
    pub(super) fn add_summaries(&self, reader: &str, sites: &[String], from: Date, to: Date) {
        self.add_entry(json!({
            "by": reader,
            "reports": ["sites"],
            "sites": sites,
            "from": from.to_string(),
            "to": to.to_string(),
            "filters": [],
            "bots": false,
        }));
    }

    fn add_entry(&self, entry: Value) {
        let (text, now) = (entry.to_string(), Instant::now());
        let mut recent = self.recent.lock();
        if recent.get(&text).is_some_and(|last| now.duration_since(*last) < ONCE_IN) {
            return;
        }
        if recent.len() >= MOST_REMEMBERED {
            recent.clear();
        }
        recent.insert(text, now);
        drop(recent);
        (self.record)(entry);
    }
}

/// What the audit says of a reading; `None` if nothing was asked for.
pub(crate) fn detail(reader: &str, requests: &[ReportRequest]) -> Option<Value> {
    let ReportRequest { site, period, filters, bots, .. } = requests.first()?;
    let names: Vec<&str> = requests.iter().map(|request| request.report.name).collect();
    let filters: Vec<String> = filters.iter().map(Filter::to_string).collect();
    let mut entry = json!({
        "by": reader,
        "reports": names,
        "site": site,
        "from": period.from().to_string(),
        "to": period.to().to_string(),
        "filters": filters,
        "bots": bots,
    });
    // Its figures were read, too.
    if let Some(period) = requests.iter().find_map(ReportRequest::compared_period) {
        entry["compared"] = json!({"from": period.from().to_string(), "to": period.to().to_string()});
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::report::catalogue;
    use crate::report::{Comparison, Period};

    #[test]
    fn the_days_that_a_period_is_compared_with_are_recorded() {
        let request = ReportRequest {
            report: catalogue::find("overview").unwrap(),
            site: "clinic".to_owned(),
            period: Period::new(date(2026, 11, 1), date(2026, 11, 7)).unwrap(),
            filters: Vec::new(),
            by: None,
            limit: 20,
            comparison: Some(Comparison::Year),
            goals: Vec::new(),
            funnel: None,
            bots: false,
        };
        let entry = detail("anna", &[request]).unwrap();
        assert_eq!(entry["compared"], json!({"from": "2025-11-01", "to": "2025-11-07"}));
    }

    #[test]
    fn the_same_request_is_recorded_once_in_a_while_and_another_at_once() {
        let entries = Arc::new(Mutex::new(Vec::new()));
        let kept = entries.clone();
        let audit = UsageAudit::new(Arc::new(move |entry| kept.lock().push(entry)));
        let request = |name| ReportRequest {
            report: catalogue::find(name).unwrap(),
            site: "clinic".to_owned(),
            period: Period::new(date(2026, 11, 1), date(2026, 11, 7)).unwrap(),
            filters: vec![Filter::parse("country=RU").unwrap()],
            by: None,
            limit: 20,
            comparison: None,
            goals: Vec::new(),
            funnel: None,
            bots: false,
        };
        audit.add("anna", &[request("pages"), request("countries")]);
        audit.add("anna", &[request("pages"), request("countries")]);
        audit.add("boris", &[request("pages"), request("countries")]);
        audit.add("anna", &[request("pages")]);
        audit.add("anna", &[]);
        let entries = entries.lock();
        assert_eq!(entries.len(), 3);
        let expected = json!({
            "by": "anna", "reports": ["pages", "countries"], "site": "clinic", "from": "2026-11-01", "to": "2026-11-07",
            "filters": ["country=RU"], "bots": false,
        });
        assert_eq!(entries[0], expected);
    }
}
