//! Reads the audit and checks its chain: whether a row was altered, removed or added since a collector wrote it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::spool::{AuditHead, ChainedRow, NO_DIGEST};
use crate::store::Client;

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, serde::Deserialize)]
pub struct AuditRow {
    collector: u64,
    run: u64,
    number: u64,
    previous: String,
    /// Unix ms.
    pub time: i64,
    pub action: String,
    /// A JSON object.
    pub detail: String,
}

/// What is wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum AuditFinding {
    /// Rows of a run that the store does not have.
    Missing { collector: String, run: String, first: u64, last: u64 },
    /// The row after this one names another digest.
    Altered { collector: String, run: String, number: u64, action: String },
    /// Two rows claim one place.
    Forked { collector: String, run: String, number: u64 },
    /// The end of an earlier run is gone or altered: the first row of this run names a row that is not there.
    EndMissing { collector: String, run: String },
    /// The collector begins its chain a second time. Its data directory was lost, or rows were added.
    SecondBeginning { collector: String, run: String },
    /// A row that no collector wrote.
    Unchained { time: i64, action: String },
    /// A head that was printed or kept is in no chain: rows at the end are gone or altered.
    HeadMissing { digest: String },
}

impl std::fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { collector, run, first, last } => write!(
                f,
                "rows {first} to {last} of run {run} of collector {collector} are missing; see `footfall spool list` for segments in quarantine"
            ),
            Self::Altered { collector, run, number, action } => write!(
                f,
                "row {number} of run {run} of collector {collector} ({action}) was altered: the next row names another digest"
            ),
            Self::Forked { collector, run, number } => {
                write!(f, "run {run} of collector {collector} has two different rows {number}")
            }
            Self::EndMissing { collector, run } => write!(
                f,
                "run {run} of collector {collector} continues a row that is missing or was altered: the last known one of an earlier run"
            ),
            Self::SecondBeginning { collector, run } => write!(
                f,
                "collector {collector} begins again with run {run}: its data directory was lost, or the rows were added"
            ),
            Self::Unchained { time, action } => {
                let time = jiff::Timestamp::from_millisecond(*time).unwrap_or_default();
                write!(f, "a row of {time} ({action}) is in no chain: no collector wrote it")
            }
            Self::HeadMissing { digest } => {
                write!(
                    f,
                    "no row has the digest {digest}: rows at the end of a chain are missing or were altered"
                )
            }
        }
    }
}

/// All rows, by collector, run and number.
///
/// # Errors
/// When the store does not answer.
pub async fn read(client: &Client) -> Result<Vec<AuditRow>, clickhouse::error::Error> {
    let sql = "SELECT collector, run, number, previous, toInt64(toUnixTimestamp64Milli(time)) AS time, toString(action) AS action, detail \
               FROM audit FINAL ORDER BY collector, run, number";
    client.query(sql).fetch_all::<AuditRow>().await
}

impl AuditRow {
    /// Its place in the chain, as the number of a document.
    pub fn place(&self) -> String {
        format!("{:016x}-{}-{}", self.collector, self.run, self.number)
    }

    fn digest(&self) -> String {
        let Self { collector, run, number, previous, time, action, detail } = self;
        ChainedRow {
            collector: *collector,
            run: *run,
            number: *number,
            previous,
            time: *time,
            action,
            detail,
        }
        .digest()
    }
}

/// The result of a check: what is wrong, and the heads of all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditCheck {
    pub findings: Vec<AuditFinding>,
    /// By collector, as 16 hexadecimal digits: the last rows of its runs, in no particular order.
    pub heads: Vec<(String, AuditHead)>,
    /// Different rows.
    pub rows: u64,
}

/// Checks all rows, in the order of [`read`]. `known` are digests that must be there: the kept head, and heads from the log.
pub fn check(rows: &[AuditRow], known: &[String]) -> AuditCheck {
    let mut check = AuditCheck::default();
    let mut runs: BTreeMap<(u64, u64), Vec<(&AuditRow, String)>> = BTreeMap::new();
    for row in rows {
        // Rows that were inserted by a statement have the defaults.
        if row.run == 0 {
            check.findings.push(AuditFinding::Unchained { time: row.time, action: row.action.clone() });
            continue;
        }
        let run = runs.entry((row.collector, row.run)).or_default();
        // Rows that were appended twice are the same.
        if run.last().is_none_or(|(last, _)| *last != row) {
            run.push((row, row.digest()));
            check.rows += 1;
        }
    }
    let digests: HashSet<&str> = runs.values().flatten().map(|(_, digest)| digest.as_str()).collect();
    let mut beginnings: HashMap<u64, u64> = HashMap::new();
    for ((collector, run), rows) in &runs {
        let (collector_text, run_text) = (format!("{collector:016x}"), run.to_string());
        check.check_run((&collector_text, &run_text), rows);
        let (first, _) = &rows[0];
        if first.number == 0 {
            let begins = first.previous == NO_DIGEST;
            let beginnings = beginnings.entry(*collector).or_default();
            *beginnings += u64::from(begins);
            if begins && *beginnings > 1 {
                check.findings.push(AuditFinding::SecondBeginning {
                    collector: collector_text.clone(),
                    run: run_text.clone(),
                });
            }
            if !begins && !digests.contains(first.previous.as_str()) {
                let (collector, run) = (collector_text.clone(), run_text);
                check.findings.push(AuditFinding::EndMissing { collector, run });
            }
        }
        if let Some((last, digest)) = rows.last() {
            let head = AuditHead { run: *run, number: last.number, digest: digest.clone() };
            check.heads.push((collector_text, head));
        }
    }
    let missing = known.iter().filter(|digest| !digests.contains(digest.as_str()));
    check.findings.extend(missing.map(|digest| AuditFinding::HeadMissing { digest: digest.clone() }));
    check
}

impl AuditCheck {
    fn check_run(&mut self, (collector, run): (&str, &str), rows: &[(&AuditRow, String)]) {
        let names = || (collector.to_owned(), run.to_owned());
        let mut expected = 0;
        let mut before: Option<&(&AuditRow, String)> = None;
        for entry in rows {
            let (row, _) = entry;
            let ((collector, run), number) = (names(), row.number);
            if number < expected {
                self.findings.push(AuditFinding::Forked { collector, run, number });
            } else if number > expected {
                let (first, last) = (expected, number - 1);
                self.findings.push(AuditFinding::Missing { collector, run, first, last });
            } else if let Some((previous, _)) = before.filter(|(_, digest)| *digest != row.previous) {
                let (number, action) = (previous.number, previous.action.clone());
                self.findings.push(AuditFinding::Altered { collector, run, number, action });
            }
            expected = number + 1;
            before = Some(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of one collector with three and two rows.
    fn rows() -> Vec<AuditRow> {
        let mut rows: Vec<AuditRow> = Vec::new();
        for (run, number) in [(5, 0), (5, 1), (5, 2), (9, 0), (9, 1)] {
            let previous = rows.last().map_or(NO_DIGEST.to_owned(), AuditRow::digest);
            let (action, detail) = ("key turned".to_owned(), format!("{{\"n\":{number}}}"));
            rows.push(AuditRow {
                collector: 1,
                run,
                number,
                previous,
                time: 1000 + run as i64,
                action,
                detail,
            });
        }
        rows
    }

    fn names(rows: &[AuditRow], known: &[String]) -> Vec<&'static str> {
        let findings = check(rows, known).findings;
        let name = |finding: &AuditFinding| match finding {
            AuditFinding::Missing { .. } => "missing",
            AuditFinding::Altered { .. } => "altered",
            AuditFinding::Forked { .. } => "forked",
            AuditFinding::EndMissing { .. } => "end missing",
            AuditFinding::SecondBeginning { .. } => "second beginning",
            AuditFinding::Unchained { .. } => "unchained",
            AuditFinding::HeadMissing { .. } => "head missing",
        };
        findings.iter().map(name).collect()
    }

    #[test]
    fn a_chain_over_two_runs_is_whole_also_when_rows_came_twice() {
        let mut twice = rows();
        twice.insert(2, twice[1].clone());
        let head = rows()[4].digest();
        for rows in [rows(), twice] {
            let checked = check(&rows, std::slice::from_ref(&head));
            assert_eq!((checked.findings, checked.rows), (Vec::new(), 5));
        }
        assert!(check(&[], &[]).findings.is_empty());
    }

    #[test]
    fn whatever_is_done_to_a_row_is_found() {
        let head = vec![rows()[4].digest()];
        let changed = |change: &dyn Fn(&mut Vec<AuditRow>)| {
            let mut rows = rows();
            change(&mut rows);
            names(&rows, &head)
        };
        assert_eq!(changed(&|rows| rows[1].detail = "{}".into()), ["altered"]);
        assert_eq!(changed(&|rows| rows[0].time += 1), ["altered"]);
        assert_eq!(changed(&|rows| rows[2].action = "x".into()), ["end missing"], "the next run names it");
        assert_eq!(changed(&|rows| drop(rows.remove(1))), ["missing"]);
        assert_eq!(changed(&|rows| drop(rows.remove(0))), ["missing"]);
        assert_eq!(changed(&|rows| drop(rows.remove(2))), ["end missing"]);
        assert_eq!(changed(&|rows| drop(rows.pop())), ["head missing"], "the log has its digest");
        assert_eq!(changed(&|rows| rows[4].detail = "{}".into()), ["head missing"]);
        assert_eq!(changed(&|rows| drop(rows.drain(0..3))), ["end missing"]);
        let forged = |rows: &mut Vec<AuditRow>| {
            let row = AuditRow { detail: "{\"forged\":1}".into(), ..rows[1].clone() };
            rows.insert(2, row);
        };
        assert!(changed(&forged).contains(&"forked"));
        let inserted = |rows: &mut Vec<AuditRow>| {
            rows.insert(
                0,
                AuditRow { collector: 0, run: 0, number: 0, previous: String::new(), ..rows[0].clone() },
            );
        };
        assert_eq!(changed(&inserted), ["unchained"]);
        let again = |rows: &mut Vec<AuditRow>| {
            let row = AuditRow { run: 11, previous: NO_DIGEST.to_owned(), number: 0, ..rows[0].clone() };
            rows.push(row);
        };
        assert_eq!(changed(&again), ["second beginning"]);
    }
}
