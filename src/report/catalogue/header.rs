//! Parses the comment at the top of a report's file.
//!
//! The comment is followed by one `SELECT` with ClickHouse's typed parameters, so that an analyst can paste the file into any
//! client. A report without one is the query `sql/breakdown.sql`, for its dimension:
//!
//! ```sql
//! -- title: Channels
//! -- order: 80
//! -- purpose: audience
//! -- dimension: channel
//! -- about: How visits came. A longer text goes on in
//! --   lines that are indented like this one.
//! -- example: --from 30d
//! -- columns:
//! --   channel   text      channel of the visit
//! --   visitors  visitors  sum of daily visitors
//! SELECT …
//! ```
//!
//! | key | required | value |
//! |---|---|---|
//! | `title` | yes | heading |
//! | `order` | yes | place in the list of reports; numbers leave gaps for new reports |
//! | `purpose` | yes | `audience` or `diagnostics` |
//! | `about` | yes | what it shows |
//! | `columns` | yes | one line each: name, unit, what it tells; a test compares them with the query's |
//! | `dimension` | if it reads `daily` | the dimension of `daily` that it reads, or several |
//! | `by` | if the query has it | the values of the parameter `by`, the default first |
//! | `credit` | if it shows places | `places` |
//! | `rows` | no | `totals`: the rows are totals of all visitors and are not folded |
//! | `limit` | no | `none`: all rows are shown when no limit is given |
//! | `empty` | no | what it means that the report has no rows, as a note of the answer |
//! | `example` | no | arguments for the example in the documents |

use std::borrow::Cow;

use super::report::{
    BREAKDOWN, GOAL_EVENTS, GOAL_EVENTS_QUERY, Purpose, Report, ReportColumn, ReportParameter,
};
use crate::store::schema;

/// The error says what is wrong with the header.
pub(super) fn parse(name: &'static str, file: &'static str) -> Result<Report, String> {
    let is_breakdown = file.lines().all(|line| line.starts_with("--"));
    let sql = match () {
        () if is_breakdown => Cow::Borrowed(BREAKDOWN),
        () if file.contains(GOAL_EVENTS) => {
            Cow::Owned(file.replace(GOAL_EVENTS, GOAL_EVENTS_QUERY.trim_end()))
        }
        () => Cow::Borrowed(file),
    };
    let mut report = Report {
        name,
        title: "",
        order: 0,
        purpose: Purpose::Diagnostics,
        about: String::new(),
        example: None,
        empty: None,
        places: false,
        is_totals: false,
        is_unlimited: false,
        dimensions: Vec::new(),
        by: Vec::new(),
        columns: Vec::new(),
        parameters: parameters(&sql),
        is_breakdown,
        sql,
    };
    let mut keys: Vec<&str> = Vec::new();
    for line in file.lines().map_while(|line| line.strip_prefix("--")) {
        if let Some(continued) = line.strip_prefix("   ") {
            match keys.last() {
                Some(&"columns") => report.columns.push(column(continued)?),
                Some(&"about") => report.about = format!("{} {}", report.about, continued.trim()),
                _ => return Err(format!("{continued:?} continues nothing")),
            }
        } else {
            let (key, value) = line.trim().split_once(':').ok_or_else(|| format!("no key in {line:?}"))?;
            set(&mut report, key, value.trim())?;
            keys.push(key);
        }
    }
    let missing =
        ["title", "order", "purpose", "about", "columns"].into_iter().find(|key| !keys.contains(key));
    if let Some(key) = missing {
        return Err(format!("no {key}"));
    }
    match (is_breakdown, &report.dimensions[..]) {
        (false, _) | (true, [_]) => Ok(report),
        (true, _) => Err("a report without a query has one dimension".to_owned()),
    }
}

fn set(report: &mut Report, key: &str, value: &'static str) -> Result<(), String> {
    let list = || value.split(',').map(str::trim);
    match (key, value) {
        ("title", _) => report.title = value,
        ("order", _) => {
            report.order = value.parse().map_err(|_| format!("order {value:?} is not a number"))?
        }
        ("purpose", _) => {
            let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.name() == value);
            report.purpose = purpose.ok_or_else(|| format!("unknown purpose {value:?}"))?;
        }
        ("about", _) => value.clone_into(&mut report.about),
        ("example", _) => report.example = Some(value),
        ("dimension", _) => {
            let known = |name| schema::dimension(name).ok_or_else(|| format!("unknown dimension {name:?}"));
            report.dimensions = list().map(known).collect::<Result<_, _>>()?;
        }
        ("by", _) => report.by = list().collect(),
        ("empty", _) => report.empty = Some(value),
        ("credit", "places") => report.places = true,
        ("rows", "totals") => report.is_totals = true,
        ("limit", "none") => report.is_unlimited = true,
        ("columns", "") => {}
        _ => return Err(format!("unknown header {key:?} with value {value:?}")),
    }
    Ok(())
}

fn column(line: &'static str) -> Result<ReportColumn, String> {
    let incomplete = || format!("column without name, unit and text: {line:?}");
    let (name, rest) = line.trim().split_once(' ').ok_or_else(incomplete)?;
    let (unit, about) = rest.trim_start().split_once(' ').ok_or_else(incomplete)?;
    Ok(ReportColumn { name, unit, about: about.trim_start() })
}

/// The `{name:Type}` parameters of a query, each once.
fn parameters(sql: &str) -> Vec<ReportParameter> {
    let mut found: Vec<ReportParameter> = Vec::new();
    for piece in sql.split('{').skip(1) {
        if let Some((name, kind)) = piece.split_once('}').and_then(|(inner, _)| inner.split_once(':'))
            && !found.iter().any(|known| known.name == name)
        {
            found.push(ReportParameter { name: name.to_owned(), kind: kind.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_or_unknown_header_is_refused_with_its_reason() {
        let whole = "-- title: A\n-- order: 1\n-- purpose: audience\n-- about: B\n--   c\n-- columns:\n--   d  text  e f\nSELECT 1";
        let report = parse("a", whole).unwrap();
        assert_eq!((report.title, report.about.as_str()), ("A", "B c"));
        assert_eq!(report.columns, [ReportColumn { name: "d", unit: "text", about: "e f" }]);
        let header_only = whole.trim_end_matches("\nSELECT 1");
        for (sql, reason) in [
            ("-- title: A\nSELECT 1", "no order"),
            ("-- mood: good\n", "unknown header"),
            ("-- limit: 5\n", "unknown header"),
            ("-- purpose: fun\n", "unknown purpose"),
            ("-- dimension: total, moon\n", "unknown dimension \"moon\""),
            ("-- a remark\n", "no key"),
            ("--   a remark\n", "continues nothing"),
            ("-- columns:\n--   a text\n", "column without"),
            (header_only, "has one dimension"),
        ] {
            let error = parse("a", sql).unwrap_err();
            assert!(error.contains(reason), "{sql}: {error}");
        }
    }
}
