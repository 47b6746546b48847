//! The answer to a request: its rows, and what the reader must know about them; as JSON and as CSV.

pub(super) mod hints;

use std::time::Duration;

use csv::{Terminator, WriterBuilder};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::report::filter::Filter;
use crate::report::note::{Note, OTHER};
use crate::report::request::ReportRequest;

#[derive(Debug, Clone)]
pub struct ReportAnswer {
    pub request: ReportRequest,
    /// The zone of its days and times.
    pub timezone: String,
    /// Rows in the order of the report's columns.
    pub rows: Vec<Vec<Value>>,
    /// Whether it comes from published figures.
    pub is_published: bool,
    /// When the figures of today were computed; `None` if the period has no open day, or the figures come from events.
    pub today: Option<Timestamp>,
    /// What the reader must know: folded rows, rows beyond the limit, an unknown site.
    pub notes: Vec<Note>,
    pub cost: QueryCost,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct QueryCost {
    /// From the request to the last row.
    pub elapsed: Duration,
    /// Rows that ClickHouse read, if it says so.
    pub rows: Option<u64>,
    /// Uncompressed bytes that ClickHouse read, if it says so.
    pub bytes: Option<u64>,
}

impl ReportAnswer {
    /// Whether rows of few visitors were folded into one.
    pub fn has_folded_rows(&self) -> bool {
        self.rows.iter().flatten().any(|value| value == OTHER)
    }

    /// Drops the row beyond the limit and adds a note.
    pub(super) fn apply_limit(&mut self) {
        let limit = self.request.limit as usize;
        if self.rows.len() > limit && self.request.report.takes("limit") {
            self.rows.truncate(limit);
            self.notes.push(Note::MoreRows { limit: self.request.limit });
        }
    }

    pub fn json(&self) -> Value {
        let ReportRequest { report, site, period, filters, by, bots, .. } = &self.request;
        let columns: Vec<Value> =
            report.columns.iter().map(|column| json!({"name": column.name, "unit": column.unit})).collect();
        let names = || report.columns.iter().map(|column| column.name.to_owned());
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| Value::Object(names().zip(row.iter().cloned()).collect::<Map<_, _>>()))
            .collect();
        let filters: Vec<String> = filters.iter().map(Filter::to_string).collect();
        let compared = self.request.comparison.map(|comparison| {
            let period = period.compared(comparison);
            json!({"with": comparison.name(), "from": period.from().to_string(), "to": period.to().to_string()})
        });
        json!({
            "report": report.name,
            "title": report.title,
            "purpose": report.purpose.name(),
            "site": site,
            "from": period.from().to_string(),
            "to": period.to().to_string(),
            "timezone": self.timezone,
            "by": by,
            "compare": compared,
            "funnel": self.request.funnel.as_ref().map(|funnel| &funnel.name),
            "filters": filters,
            "bots": bots,
            "columns": columns,
            "rows": rows,
            "figures": if self.is_published { "published" } else { "exact" },
            "today": self.today.map(|computed| {
                json!({"as_of": computed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "age_s": age(computed).as_secs()})
            }),
            "notes": self.notes.iter().map(Note::to_string).collect::<Vec<_>>(),
            "credit": self.request.credit(),
        })
    }

    /// RFC 4180, with a line of column names first; after a byte-order mark if wanted, by which Excel recognises UTF-8.
    pub fn csv(&self, byte_order_mark: bool) -> String {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        let names = self.request.report.columns.iter().map(|column| column.name.to_owned());
        let records = std::iter::once(names.collect::<Vec<_>>());
        for record in records.chain(self.rows.iter().map(|row| row.iter().map(csv_field).collect())) {
            writer.write_record(record).expect("writing to memory succeeds, and every row has all columns");
        }
        let bytes = writer.into_inner().expect("writing to memory succeeds");
        let text = String::from_utf8(bytes).expect("all fields are UTF-8");
        if byte_order_mark { format!("\u{feff}{text}") } else { text }
    }
}

/// How long ago something was computed. Clocks of several machines may differ.
pub(super) fn age(computed: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(computed)).unwrap_or_default()
}

fn csv_field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => without_formulas(text),
        other => other.to_string(),
    }
}

/// A text, with an apostrophe before all that a spreadsheet could run as a formula, because visitors wrote it. A spreadsheet that separates
/// cells by semicolons or tabs knows no quotes within a line, so a formula may begin after each of these, too.
fn without_formulas(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut is_start = true;
    for letter in text.chars() {
        let is_separator = matches!(letter, ';' | '\t' | '\r' | '\n');
        let is_formula = matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
        if is_start && (is_formula || (is_separator && letter != ';')) {
            safe.push('\'');
        }
        is_start = is_separator || (is_start && letter.is_whitespace());
        safe.push(letter);
    }
    safe
}

/// The lines of an answer that are not empty.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::report::Period;
    use crate::report::catalogue;

    fn answer(rows: Vec<Vec<Value>>) -> ReportAnswer {
        let period = Period::new(date(2026, 11, 1), date(2026, 11, 7)).unwrap();
        let request = ReportRequest {
            report: catalogue::find("channels").unwrap(),
            site: "clinic".to_owned(),
            period,
            filters: Vec::new(),
            by: None,
            limit: 20,
            comparison: None,
            goals: Vec::new(),
            funnel: None,
            bots: false,
        };
        let (timezone, cost) = ("Europe/Moscow".to_owned(), QueryCost::default());
        ReportAnswer { request, timezone, rows, is_published: false, today: None, notes: Vec::new(), cost }
    }

    #[test]
    fn csv_quotes_what_would_end_a_field() {
        let row = json!(["a\"b,c\nd", 1, 2, 50.5, null, 0, "x"]);
        let text = answer(vec![row.as_array().unwrap().clone()]).csv(false);
        let (names, row) = text.split_once("\r\n").unwrap();
        assert_eq!(names, "channel,visitors,visits,share,views_per_visit,bounce_rate,visit_duration");
        assert_eq!(row, "\"a\"\"b,c\nd\",1,2,50.5,,0,x\r\n");
    }

    #[test]
    fn csv_has_a_byte_order_mark_on_request() {
        assert!(answer(Vec::new()).csv(true).starts_with("\u{feff}channel,"));
        assert!(answer(Vec::new()).csv(false).starts_with("channel,"));
    }

    #[test]
    fn csv_gives_a_spreadsheet_no_formula_of_a_visitor() {
        for (text, safe) in [
            ("a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"),
            (";=1", ";'=1"),
            ("a; +1;-2; b", "a; '+1;'-2; b"),
            ("\n=1", "'\n'=1"),
            ("a\t@sum", "a\t'@sum"),
            ("a\r\n=1", "a\r'\n'=1"),
            ("＝1＋1", "'＝1＋1"),
            ("　－2", "　'－2"),
            (" =1", " '=1"),
            ("a=b", "a=b"),
            ("/doctors?x=-1;y", "/doctors?x=-1;y"),
            ("a - b", "a - b"),
        ] {
            assert_eq!(without_formulas(text), safe);
        }
        for text in
            ["=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "＠x"]
        {
            let row = json!([text, 1, 2, -3, null, 0, 0]);
            let csv = answer(vec![row.as_array().unwrap().clone()]).csv(false);
            let row = csv.split_once("\r\n").unwrap().1;
            assert!(row.starts_with('\'') || row.starts_with("\"'"), "{row}");
            assert!(row.ends_with(",1,2,-3,,0,0\r\n"), "numbers stay numbers: {row}");
        }
    }
}
