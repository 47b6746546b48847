//! The answer to a request: its rows, and what the reader must know about them; as JSON and as CSV.

use std::time::Duration;

use csv::{Terminator, WriterBuilder};
use serde_json::{Map, Value, json};

use super::catalogue::ReportColumn;
use super::error::ReportError;
use super::filter::Filter;
use super::request::ReportRequest;

#[derive(Debug, Clone)]
pub struct ReportAnswer {
    pub request: ReportRequest,
    /// The zone of its days and times.
    pub timezone: String,
    /// Rows in the order of the report's columns.
    pub rows: Vec<Vec<Value>>,
    /// What the reader must know: folded rows, rows beyond the limit, an unknown site.
    pub notes: Vec<String>,
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
    /// Drops the row beyond the limit and adds a note.
    pub(super) fn apply_limit(&mut self) {
        let limit = self.request.limit as usize;
        if self.rows.len() > limit && self.request.report.takes("limit") {
            self.rows.truncate(limit);
            self.notes.push(format!("there are more rows than these {limit}"));
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
        json!({
            "report": report.name,
            "title": report.title,
            "purpose": report.purpose.name(),
            "site": site,
            "from": period.from().to_string(),
            "to": period.to().to_string(),
            "timezone": self.timezone,
            "by": by,
            "filters": filters,
            "bots": bots,
            "columns": columns,
            "rows": rows,
            "notes": self.notes,
            "credit": report.credit(),
        })
    }

    /// RFC 4180, with a line of column names first.
    pub fn csv(&self) -> String {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        let names = self.request.report.columns.iter().map(|column| column.name.to_owned());
        let records = std::iter::once(names.collect::<Vec<_>>());
        for record in records.chain(self.rows.iter().map(|row| row.iter().map(csv_field).collect())) {
            writer.write_record(record).expect("writing to memory succeeds, and every row has all columns");
        }
        let bytes = writer.into_inner().expect("writing to memory succeeds");
        String::from_utf8(bytes).expect("all fields are UTF-8")
    }
}

/// A text that a spreadsheet would run as a formula gets an apostrophe, because visitors wrote it.
fn csv_field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The lines of an answer that are not empty.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The rows of `JSONCompactEachRowWithNames`, checked against the columns of the report's header.
pub(super) fn read_rows(bytes: &[u8], columns: &[ReportColumn]) -> Result<Vec<Vec<Value>>, ReportError> {
    let mut lines = lines(bytes);
    let malformed = |error: serde_json::Error| ReportError::MalformedAnswer(error.to_string());
    let names: Vec<String> = serde_json::from_slice(lines.next().unwrap_or(b"[]")).map_err(malformed)?;
    if !names.iter().map(String::as_str).eq(columns.iter().map(|column| column.name)) {
        return Err(ReportError::MalformedAnswer(format!("columns {}", names.join(", "))));
    }
    lines.map(|line| serde_json::from_slice(line).map_err(malformed)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::report::catalogue;
    use crate::report::period::Period;

    fn answer(rows: Vec<Vec<Value>>) -> ReportAnswer {
        let period = Period::new(date(2026, 11, 1), date(2026, 11, 7)).unwrap();
        let request = ReportRequest {
            report: catalogue::find("channels").unwrap(),
            site: "clinic".to_owned(),
            period,
            filters: Vec::new(),
            by: None,
            limit: 20,
            bots: false,
        };
        let (timezone, cost) = ("Europe/Moscow".to_owned(), QueryCost::default());
        ReportAnswer { request, timezone, rows, notes: Vec::new(), cost }
    }

    #[test]
    fn csv_quotes_what_would_end_a_field() {
        let row = json!(["a\"b,c\nd", 1, 2, 50.5, null, 0, "x"]);
        let text = answer(vec![row.as_array().unwrap().clone()]).csv();
        let (names, row) = text.split_once("\r\n").unwrap();
        assert_eq!(names, "channel,visitors,visits,share,views_per_visit,bounce_rate,visit_duration");
        assert_eq!(row, "\"a\"\"b,c\nd\",1,2,50.5,,0,x\r\n");
    }

    #[test]
    fn csv_gives_a_spreadsheet_no_formula_of_a_visitor() {
        for text in ["=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            let row = json!([text, 1, 2, -3, null, 0, 0]);
            let csv = answer(vec![row.as_array().unwrap().clone()]).csv();
            let row = csv.split_once("\r\n").unwrap().1;
            assert!(row.starts_with('\'') || row.starts_with("\"'"), "{row}");
            assert!(row.ends_with(",1,2,-3,,0,0\r\n"), "numbers stay numbers: {row}");
        }
    }

    #[test]
    fn an_answer_whose_columns_are_not_those_of_the_header_is_refused() {
        let columns = &catalogue::find("channels").unwrap().columns;
        assert!(matches!(read_rows(b"[\"channel\"]\n", columns), Err(ReportError::MalformedAnswer(_))));
        assert!(matches!(read_rows(b"", columns), Err(ReportError::MalformedAnswer(_))));
    }
}
